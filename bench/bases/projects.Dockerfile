# Python, Node and Go of the distribution, each with a project at /src whose packages are pinned when this is made.
FROM debian:bookworm AS common
ARG EXTRA_CA
ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt GOSUMDB=off
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
 && echo "$EXTRA_CA" >/usr/local/share/ca-certificates/extra.crt && update-ca-certificates
WORKDIR /src

FROM common AS python
RUN apt-get install -y --no-install-recommends python3 python3-pip && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY <<-\requirements.txt <<-\pin.py ./
	cryptography
	flask
	pandas
	requests
	sqlalchemy
requirements.txt
	import json
	from pip._vendor.packaging.utils import canonicalize_name
	for each in json.load(open("report.json"))["install"]:
	    print(canonicalize_name(each["metadata"]["name"]), "@", each["download_info"]["url"])
pin.py
RUN pip install --no-cache-dir --dry-run --ignore-installed --report report.json -r requirements.txt \
 && python3 pin.py >pinned.txt && rm report.json

FROM common AS node
RUN apt-get install -y --no-install-recommends nodejs npm && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY <<-package.json ./
	{"name": "app", "version": "1.0.0", "dependencies": {"express": "4.19.2", "lodash": "4.17.21"},
	 "devDependencies": {"eslint": "8.57.0", "jest": "29.7.0", "typescript": "5.4.5", "webpack": "5.91.0"}}
package.json
RUN npm install --package-lock-only --no-audit --no-fund && rm -rf ~/.npm

FROM common AS go
RUN apt-get install -y --no-install-recommends golang-go && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY <<-go.mod <<-main.go ./
	module example.com/app
	go 1.19
	require (
		github.com/gin-gonic/gin v1.9.1
		github.com/spf13/cobra v1.8.0
	)
go.mod
	package main

	import (
		"github.com/gin-gonic/gin"
		"github.com/spf13/cobra"
	)

	func main() {
		serve := func(*cobra.Command, []string) { _ = gin.Default().Run() }
		_ = (&cobra.Command{Use: "app", Run: serve}).Execute()
	}
main.go
RUN CGO_ENABLED=0 go build -mod=mod -o /dev/null . && go clean -modcache -cache
