"""A Kerberos realm of its own: Debian's krb5-kdc in a temporary directory, on a free port, without root."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from tests.support import wait_until

REALM = "KRB.TEST"

#: Where Debian keeps programs that are root's elsewhere.
_PATH = f"/usr/sbin:/sbin:{os.environ.get('PATH', '')}"

#: Services by principal, with the keytab that holds their keys; ``alice/localhost`` is her services' ApplicationMaster.
SERVICES = {"hdfs/localhost": "hdfs", "yarn/localhost": "yarn", "HTTP/localhost": "http", "alice/localhost": "alice"}
#: People, whose password is their name.
PEOPLE = ("alice", "bob")


class Kdc:
    """A running KDC; a context manager. *directory* keeps its files, keytabs among them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __enter__(self) -> Kdc:
        self.directory.mkdir(parents=True)
        self._port = _free_port()
        self._write()
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master")
        commands = [f"addprinc -pw {name} {name}" for name in PEOPLE]
        for principal, keytab in SERVICES.items():
            commands += [f"addprinc -randkey {principal}", f"ktadd -k {self.keytab(keytab)} {principal}"]
        commands.append(f"ktadd -norandkey -k {self.keytab('alice')} alice")
        self._run("kadmin.local", "-r", REALM, stdin="\n".join(commands))
        self._process = subprocess.Popen(["krb5kdc", "-n", "-r", REALM], env=self.environment)
        wait_until(lambda: _answers(self._port), what="the KDC")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def configuration(self) -> Path:
        """krb5.conf."""
        return self.directory / "krb5.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What its programs, and clients, need."""
        profile = str(self.directory / "kdc.conf")
        return {**os.environ, "PATH": _PATH, "KRB5_CONFIG": str(self.configuration), "KRB5_KDC_PROFILE": profile}

    def keytab(self, name: str) -> Path:
        """One of the keytabs."""
        return self.directory / f"{name}.keytab"

    def ticket(self, principal: str, *options: str, keytab: str = "") -> Mapping[str, str]:
        """Get a ticket by password or keytab into a cache of its own; return what names it."""
        cache = f"FILE:{self.directory / principal.replace('/', '-')}-{'-'.join(options) or 'ticket'}.cache"
        source = ["-k", "-t", str(self.keytab(keytab))] if keytab else []
        self._run("kinit", "-c", cache, *options, *source, principal, stdin=f"{principal}\n")
        return {"KRB5CCNAME": cache, "KRB5_CONFIG": str(self.configuration)}

    @contextmanager
    def late(self, principal: str) -> Iterator[Mapping[str, str]]:
        """A world in which it is ten minutes earlier: KDC, ticket and client; what its client needs.

        The client's clock alone is no matter: libkrb5 takes the KDC's time.
        """
        port = _free_port()
        configuration = self.directory / "late.conf"
        configuration.write_text(self.configuration.read_text().replace(f":{self._port}", f":{port}"))
        profile = self.directory / "late-kdc.conf"
        profile.write_text((self.directory / "kdc.conf").read_text().replace(f":{self._port}", f":{port}"))
        environment = {**self.environment, "KRB5_CONFIG": str(configuration), "KRB5_KDC_PROFILE": str(profile)}
        late = ["faketime", "-f", "-10m"]
        process = subprocess.Popen([*late, "krb5kdc", "-n", "-r", REALM], env=environment, start_new_session=True)
        try:
            wait_until(lambda: _answers(port), what="the late KDC")
            cache = f"FILE:{self.directory / 'late.cache'}"
            _run([*late, "kinit", "-c", cache, principal], environment, f"{principal}\n")
            preload = subprocess.run(
                [*late, "printenv", "LD_PRELOAD"], env=environment, capture_output=True, text=True, check=True
            ).stdout.strip()
            clock = {"LD_PRELOAD": preload, "FAKETIME": "-10m"}
            yield {"KRB5CCNAME": cache, "KRB5_CONFIG": str(configuration), **clock}
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _run(self, *command: str, stdin: str = "") -> None:
        _run(command, self.environment, stdin)

    def _write(self) -> None:
        self.configuration.write_text(f"""[libdefaults]
 default_realm = {REALM}
 dns_lookup_realm = false
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = 1
[realms]
 {REALM} = {{
  kdc = localhost:{self._port}
 }}
[domain_realm]
 localhost = {REALM}
""")
        (self.directory / "kdc.conf").write_text(f"""[kdcdefaults]
 kdc_listen = 127.0.0.1:{self._port}
 kdc_tcp_listen = 127.0.0.1:{self._port}
[realms]
 {REALM} = {{
  database_name = {self.directory}/principal
  key_stash_file = {self.directory}/stash
  supported_enctypes = aes256-cts-hmac-sha1-96:normal
 }}
[logging]
 kdc = FILE:{self.directory}/kdc.log
""")


def _run(command: Sequence[str], environment: Mapping[str, str], stdin: str) -> None:
    ran = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _answers(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    return False
