#!/bin/sh
# YARN runs its launch script by an image's ENTRYPOINT too (`bash .../launch_container.sh`), as a person runs a command;
# in YARN's ENTRYPOINT mode there are options only. exec: yarnserve has to be the process that gets YARN's signals.
case ${1---} in
-*) exec yarnserve agent "$@" ;;
esac
exec "$@"
