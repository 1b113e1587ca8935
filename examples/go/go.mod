module c10m-example

go 1.19
