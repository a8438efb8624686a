# Stands for TF Serving's image: the server where that has it, its kind of entry point, and no Python on the PATH.
ARG BUILD
ARG SYSTEM
FROM ${BUILD} AS stand_in
COPY . /source
RUN cd /source \
    && docker/bundle.sh --wheelhouse wheelhouse --name tensorflow_model_server \
        --module yarnserve.sandbox.model_server /opt/stand-in '.[sandbox]'

FROM ${SYSTEM}
COPY --from=stand_in /opt/stand-in /opt/stand-in
RUN ln -s /opt/stand-in/bin/tensorflow_model_server /usr/bin/tensorflow_model_server
ENTRYPOINT ["tensorflow_model_server"]
