-- These change spec.mode: where Argo CD heals the object, change Git instead.
local mode = obj.spec.mode or "Enforce"
local isDeleted = obj.metadata.deletionTimestamp ~= nil

local function action(icon, isPossible)
  return { ["iconClass"] = "fa fa-fw fa-" .. icon, ["disabled"] = isDeleted or not isPossible }
end

local actions = {}
actions["enforce"] = action("play", mode ~= "Enforce")
actions["dry-run"] = action("eye", mode ~= "DryRun")
actions["disable"] = action("stop", mode ~= "Disabled")
actions["reconcile"] = action("sync", true)
return actions
