obj.metadata.annotations["weir.dev/pause-reconciliation"] = nil
return obj
