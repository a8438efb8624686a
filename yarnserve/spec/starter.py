"""The service.yaml that ``init`` writes."""

from __future__ import annotations

from yarnserve.spec import values

_TEXT = """\
# One service of yarnserve; docs/service-yaml.md explains every field.
# Check: yarnserve spec check {file}     Launch: yarnserve launch {file} --wait

name: {name}
model:
  # The directory on HDFS above the version numbers. A list of such mappings is several models in one server.
  base_path: /models/{name}
  # example: example.json       # a request that every healthy replica answers
# image: registry.example.org/tfserving-hdfs:2.6.5   # without it: a plain process on every node
serving:
  version: "2.6"
  # flags: {{max_num_load_retries: 2}}
  # batching: {{max_batch_size: 128, batch_timeout_micros: 2000}}
replicas: 1
resources: {{cpus: 1, memory: 2g}}           # gpus: 1
# queue: root.ml
# env: {{TF_CPP_MIN_LOG_LEVEL: "1"}}
# placement: {{node_label: gpu, spread: true}}
# lifetime: 7d                  # YARN ends the service then
"""


def starter(name: str, *, file: str) -> str:
    """Return a commented service.yaml of service *name* that passes its checks.

    Raises:
        ValueError: YARN would refuse the name.
    """
    return _TEXT.format(name=values.service_name(name), file=file)
