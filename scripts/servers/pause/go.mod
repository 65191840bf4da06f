module weir.dev/servers/pause

go 1.24
