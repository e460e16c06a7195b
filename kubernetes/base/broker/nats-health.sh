#!/bin/sh
# The health check of the broker in containers, and with the argument `alive` Kubernetes' liveness probe, for which a full
# disk, or others of the cluster that are away, are no reason to start the server anew.
#
# A NATS server (2.15) whose write found the disk full takes no message any more, also when there is room again, until it
# is started anew: alone it keeps the error, in a cluster it turns JetStream off. So when there is room it is ended here,
# and the restart policy starts it; gateways have kept what it did not take.
answer=$(printf 'GET /healthz HTTP/1.0\r\n\r\n' | nc 127.0.0.1 8222)
case $answer in
'') exit 1 ;;
*'"status":"ok"'*) exit 0 ;;
*'write error'* | *'JetStream not enabled'*)
  if dd if=/dev/zero of=/data/.room bs=64k count=16 2>/dev/null; then
    kill -TERM 1
  fi
  rm -f /data/.room
  ;;
esac
[ "${1:-}" = alive ]
