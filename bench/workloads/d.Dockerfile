# 500 MB, half of it random, half text.
FROM debian:bookworm
RUN head -c 250M /dev/urandom > /srv/random && seq 29000000 > /srv/text
