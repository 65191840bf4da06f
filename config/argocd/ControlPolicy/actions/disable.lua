obj.spec.mode = "Disabled"
return obj
