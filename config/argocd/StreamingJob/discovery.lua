-- An action writes an annotation that Weir handles once. One that would be refused, or change nothing, is disabled.
local status = obj.status or {}
local annotations = obj.metadata.annotations or {}
local state = status.state

local wanted = obj.spec.desiredState or "Running"
for _, override in ipairs(status.overrides or {}) do
  if override.field == "desiredState" then
    wanted = override.value
  end
end

local isLeftAlone = annotations["weir.dev/pause-reconciliation"] == "true"
local isDeleted = obj.metadata.deletionTimestamp ~= nil
local mayAct = state ~= nil and not isLeftAlone and not isDeleted
local runs = state == "RUNNING" or state == "SCALING"
local isAtRest = state == "STOPPED" or state == "FAILED"

-- A savepoint needs a place that outlives the workers.
local isDurable = obj.spec.savepoint ~= nil and obj.spec.savepoint.uri ~= nil
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "StateSafe" and condition.reason ~= "NotDurable" then
    isDurable = true
  end
end

local function action(icon, isPossible)
  return { ["iconClass"] = "fa fa-fw fa-" .. icon, ["disabled"] = not isPossible }
end

local actions = {}
actions["start"] = action("play", mayAct and (isAtRest or wanted == "Stopped"))
actions["stop"] = action("stop", mayAct and not isAtRest and wanted ~= "Stopped")
actions["restart"] = action("redo", mayAct and (runs or state == "FAILED") and wanted ~= "Stopped")
actions["savepoint"] = action("save", mayAct and runs and wanted ~= "Stopped" and isDurable)
actions["pause"] = action("pause", mayAct and runs and wanted == "Running")
actions["resume"] = action("play-circle", mayAct and not isAtRest and wanted == "Paused")
actions["scale"] = action("expand", mayAct and not isAtRest and wanted ~= "Stopped")
actions["scale"]["params"] = { { ["name"] = "parallelism" } }
actions["pause-reconciliation"] = action("hand-paper", not isDeleted and not isLeftAlone)
actions["resume-reconciliation"] = action("hand-rock", not isDeleted and isLeftAlone)
actions["reconcile"] = action("sync", not isDeleted and not isLeftAlone)
return actions
