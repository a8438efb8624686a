#!/bin/sh
# A command, such as YARN's launch script, is run as it is. Options alone are the model server's: they come from YARN's
# ENTRYPOINT mode, from `docker run IMAGE --name=value`, and from who calls this by the server's own name.
case ${1---} in
-*) ;;
*) exec "$@" ;;
esac
# What yarnserve's launch command has set stays: it puts the cluster's configuration first. The class path has no
# wildcards, which Java's native interface does not expand; libjvm lies in another place in Java 8.
CLASSPATH=${CLASSPATH:-$("$HADOOP_HDFS_HOME/bin/hadoop" classpath --glob)}
LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$JAVA_HOME/lib/server:$JAVA_HOME/jre/lib/amd64/server
export CLASSPATH LD_LIBRARY_PATH
exec /usr/bin/tensorflow_model_server "$@"
