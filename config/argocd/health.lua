-- Health of every kind of weir.dev, for Argo CD. Its sandbox has no string library: times are compared as RFC 3339 texts,
-- whose order is that of time.
local os = require("os")

-- Seconds that an object may be on its way before it counts as degraded, where its operation has no later deadline.
local PATIENCE = 600
-- The operator needs a moment to act on a deadline.
local GRACE = 60

-- At rest because somebody wants it so.
local SUSPENDED = { Stopped = true, Paused = true, Disabled = true, Suspended = true }
-- Conditions that do not end the health of an object and that its owner should know: type -> the status that is bad.
local WARNINGS = {
  { "StateSafe", "False" },
  { "Checkpointing", "False" },
  { "SLOMet", "False" },
  { "ScalingLimited", "True" },
  { "NoConsumer", "True" },
}

local function health(status, message)
  return { status = status, message = message }
end

-- os.date heeds "!" only without a time. The fields of UTC are read as local time and written as such, which cancels out.
local function ago(seconds)
  return os.date("%Y-%m-%dT%H:%M:%SZ", os.time(os.date("!*t")) - seconds)
end

local status = obj.status or {}
local generation = obj.metadata.generation or 0
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function holds(type)
  return conditions[type] ~= nil and conditions[type].status == "True"
end

local function told(condition)
  return condition.reason .. ": " .. condition.message
end

-- Is it later than the object has time for?
local function isLate(since)
  local deadline = status.operation ~= nil and status.operation.deadline or nil
  return since < ago(PATIENCE) and (deadline == nil or deadline < ago(GRACE))
end

local function warnings()
  local text = ""
  for _, warning in ipairs(WARNINGS) do
    local condition = conditions[warning[1]]
    if condition ~= nil and condition.status == warning[2] then
      text = text .. "; " .. told(condition)
    end
  end
  return text
end

if obj.metadata.deletionTimestamp ~= nil then
  local ready = conditions.Ready
  return health("Progressing", ready ~= nil and "Deleting: " .. ready.message or "Deleting")
end
if (status.observedGeneration or -1) < generation then
  return health(
    "Progressing",
    "Waiting for Weir to see generation " .. generation .. "; is its operator running, and does it watch this namespace?"
  )
end
if holds("Stalled") then
  return health("Degraded", told(conditions.Stalled))
end
if status.state == "FAILED" then
  return health("Degraded", status.failure ~= nil and status.failure.message or "the job gave up")
end
if holds("ReconciliationPaused") then
  return health("Suspended", told(conditions.ReconciliationPaused))
end

local ready = conditions.Ready
if ready == nil then
  return health("Progressing", "Waiting for Weir to say whether it is ready")
end
if ready.status == "True" and not holds("Reconciling") then
  if SUSPENDED[ready.reason] then
    return health("Suspended", told(ready))
  end
  return health("Healthy", told(ready) .. warnings())
end
if isLate(ready.lastTransitionTime) then
  return health("Degraded", "not ready since " .. ready.lastTransitionTime .. ": " .. told(ready))
end
return health("Progressing", told(ready))
