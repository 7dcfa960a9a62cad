# COPY of 10,000 files, 200 MB.
FROM debian:bookworm
COPY . /srv/
