module c10m.test/server

go 1.19
