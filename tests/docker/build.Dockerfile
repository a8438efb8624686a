# Stands for the image that docker/Dockerfile builds on in earnest: an old glibc and a Python.
ARG SYSTEM
FROM ${SYSTEM}
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends patchelf python3 python3-pip \
    && rm -rf /var/lib/apt/lists/*
