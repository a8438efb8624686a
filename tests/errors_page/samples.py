"""What goes wrong on the page of errors: files with mistakes, and answers of YARN as clusters gave them."""

from __future__ import annotations

_SOUND = "name: digits\nmodel: {base_path: /models/digits}\nserving: {version: '2.6'}\nresources: {memory: 1g}\n"
_DOCKER = f"{_SOUND}image: registry.example.org/tfserving-hdfs:2.6\n"

#: Files with mistakes.
SPECS = (
    "nme: digits\nmodel: {base_path: s3://x, delivery: copied}\nreplicas: none\nresources: {memory: 8x}\n",
    "name: Digits_1\nmodel: {base_path: models, name: a/b, example: 7}\nserving: {version: 2.10, flags: {port: 1}}\n"
    "resources: {memory: 1.5, cpus: 0, gpus: -1}\nreplicas: -2\nnetwork: overlay\n",
    f"{_SOUND}model: {{}}\n",
    f"{_SOUND}queue: ''\nlifetime: soon\nreadiness: ready\nentrypoint: maybe\n",
    f"{_SOUND}ports: {{rest: 8500, grpc: 8500}}\n",
    f"{_SOUND}ports: {{rest: 8510, grpc: 8500}}\n",
    f"{_SOUND}replicas: 9000\n",
    f"{_SOUND}mounts: [/data:/data]\nnetwork: bridge\nentrypoint: true\nregistry_credentials: /user/ml/config.json\n",
    _SOUND.replace("'2.6'", "'2.11'"),
    _SOUND.replace("'2.6'}", "'2.6', flags: {enable_baching: true, max_num_load_retries: often}}"),
    _SOUND.replace("'2.6'}", "'2.6', flags: {model_name: x}}"),
    _SOUND.replace("'2.6'}", "'2.6', batching: {max_batch_size: 64, allowed_batch_sizes: [32, 128]}}"),
    _SOUND.replace("'2.6'}", "'2.6', batching: {max_execution_batch_size: 8}}"),
    f"{_SOUND}env: {{A: 'x$y', '1B': z, YARN_CONTAINER_RUNTIME_TYPE: docker, C: true}}\n",
    f"{_SOUND}env: {{HF_TOKEN: hf_abc, DB_PASSWORD: hunter2}}\n",
    f"{_SOUND}env: {{HTTP_PROXY: 'http://bob:hunter2@proxy:3128'}}\nimage: 'bob:hunter2@r.example.org/serving:2.6'\n",
    f"{_DOCKER}mounts: [/data, '/a:/b:rx', 'a:/b', '/x:/y', '/z:/y']\n",
    f"{_DOCKER}network: bridge\nreadiness: http\n",
    f"{_DOCKER}entrypoint: true\nports: {{per_replica: false}}\n".replace(
        "'2.6'}", "'2.6', flags: {monitoring_config_file: 'a,b'}}"
    ),
    f"{_SOUND}image: 'bad image'\n",
    f"{_SOUND}placement: {{node_label: 'a b', spread: often}}\n",
    f"{_SOUND}supervise: {{min_available: 1, check_interval: 2s, check_timeout: 5s, failures: 0}}\n",
    _DOCKER.replace("name: digits", f"name: {'a' * 60}"),
    "name: [\n",
    "- a list\n",
)

#: What a Hadoop of some version cannot do.
HADOOPS = (
    ("3.1.0", _SOUND),
    ("3.1.4", f"{_SOUND}image: 'registry.example.org/tfserving-hdfs:2.6@sha256:{'0' * 64}'\n"),
    ("3.1.1", f"{_DOCKER}network: bridge\nports: {{per_replica: false}}\n"),
)

#: Method, status and diagnostics of refusals.
REFUSALS = (
    ("POST", 500, "Cannot create file/user/alice/.yarn. Name node is in safe mode."),
    ("POST", 403, 'Permission denied: user=dr.who, access=WRITE, inode="/user":hdfs:supergroup:drwxr-xr-x'),
    ("POST", 403, 'Permission denied: user=alice, access=WRITE, inode="/user":hdfs:supergroup:drwxr-xr-x'),
    ("DELETE", 403, 'Permission denied: user=bob, access=WRITE, inode="/tmp/hadoop-yarn/.yarn/services":alice:users'),
    ("PUT", 403, "Permission denied: user=bob, access=READ"),
    ("POST", 500, "Service name digits is already taken."),
    ("POST", 500, "The specified memory size (99999) is larger than configured maximum container memory size (8192)"),
    ("POST", 500, "The specified number of virtual core (99) is larger than configured max size (4)"),
    ("POST", 500, "Failed to submit application_1_1 to YARN : Application rejected to unknown queue: ml"),
    ("POST", 500, "User alice cannot submit applications to queue root.ml"),
    ("POST", 500, "Queue root.ml is STOPPED. Cannot accept submission of application: application_1_1"),
    ("POST", 500, "File does not exist: hdfs://prod/user/alice/a.txt"),
    ("POST", 500, "Call From rm/10.0.0.1 to nn:8020 failed on connection exception"),
    ("POST", 400, 'For input string: "8g"'),
    ("POST", 400, "Invalid character in yarn.service.am.java.opts."),
    ("POST", 400, "Docker client config does not exist: hdfs:///user/ml/config.json"),
    ("GET", 404, "Service digits not found"),
    ("GET", 404, "Invalid service name digits_1"),
    ("GET", 404, "port out of range:-1"),
    ("GET", 500, "Call From rm/10.0.0.1 to worker:34567 failed on connection exception"),
    ("PUT", 404, "Service digits not found"),
    ("PUT", 500, "Call From rm/10.0.0.1 to worker:34567 failed on connection exception"),
    ("PUT", 500, "serve2 does not exist !"),
    ("PUT", 400, "Service digits is already stopped"),
    ("PUT", 400, "Cannot flex: flex can only be invoked when the service is running"),
    ("PUT", 400, "digits appId is null, may be not submitted to YARN yet"),
    ("DELETE", 400, "Service 'digits' doesn't exist at hdfs in directory /user/alice"),
    ("DELETE", 400, "Service digits is still running"),
    ("DELETE", 404, "Service digits not found"),
    ("DELETE", 500, "Error cleaning up registry for service digits"),
)
