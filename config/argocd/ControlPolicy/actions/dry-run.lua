obj.spec.mode = "DryRun"
return obj
