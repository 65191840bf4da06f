-- These change spec.suspend: where Argo CD heals the object, change Git instead.
local isSuspended = obj.spec.suspend == true
local isDeleted = obj.metadata.deletionTimestamp ~= nil

local function action(icon, isPossible)
  return { ["iconClass"] = "fa fa-fw fa-" .. icon, ["disabled"] = isDeleted or not isPossible }
end

local actions = {}
actions["suspend"] = action("pause", not isSuspended)
actions["resume"] = action("play", isSuspended)
actions["reconcile"] = action("sync", true)
return actions
