local os = require("os")
local wanted = actionParams ~= nil and tonumber(actionParams["parallelism"]) or nil
local most = obj.spec.maxParallelism or 32
if wanted == nil or wanted % 1 ~= 0 or wanted < 1 or wanted > most then
  error("parallelism must be a whole number from 1 to " .. most .. " (spec.maxParallelism)", 0)
end
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["weir.dev/scale"] = wanted .. "@" .. os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj
