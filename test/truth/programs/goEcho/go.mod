module c10m/goecho

go 1.19
