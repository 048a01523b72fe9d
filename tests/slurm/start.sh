#!/usr/bin/env bash
# A real SLURM of one node on this machine, for tests: no systemd, no accounting. Needs root, slurm-wlm and munge.
#   tests/slurm/start.sh         start it if it is not up, and wait until its node is idle
#   tests/slurm/start.sh stop    stop it
set -euo pipefail
state=/var/tmp/contextrot-slurm
if [ "${1:-start}" = stop ]; then
    scontrol shutdown || true
    [ -e "$state/munged-is-ours" ] && munged --stop && rm "$state/munged-is-ours"
    exit 0
fi
scontrol ping 2>/dev/null | grep -q 'is UP' && sinfo -h -o %T 2>/dev/null | grep -qE 'idle|mixed|allocated' && exit 0

mkdir -p "$state"/{state,spool} /etc/slurm

# Credentials are signed by munge, run as its own user with a key of this machine's own; without it SLURM trusts every process.
start_munge() {
    command -v munged mungekey runuser >/dev/null && id munge >/dev/null 2>&1 || return 1
    munge -n </dev/null 2>/dev/null | unmunge >/dev/null 2>&1 && return 0
    install -d -o munge -g munge -m 700 /etc/munge /var/lib/munge /var/log/munge
    install -d -o munge -g munge -m 755 /run/munge
    [ -s /etc/munge/munge.key ] || runuser -u munge -- mungekey --create || return 1
    runuser -u munge -- munged || return 1
    touch "$state/munged-is-ours"
    munge -n </dev/null | unmunge >/dev/null
}
if start_munge; then
    security=munge
else
    security=none
    echo "munge is not installed or does not start (see /var/log/munge/munged.log): this SLURM checks no credentials" >&2
fi

host=$(hostname -s)
cat >/etc/slurm/slurm.conf <<CONF
ClusterName=contextrot
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/$security
CredType=cred/$security
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
StateSaveLocation=$state/state
SlurmdSpoolDir=$state/spool
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
ReturnToService=2
MinJobAge=3600
MpiDefault=none
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
cat >/etc/slurm/gres.conf <<CONF
NodeName=$host Name=gpu File=/dev/null
NodeName=$host Name=gpu File=/dev/zero
CONF
slurmctld
slurmd
for _ in $(seq 100); do
    sinfo -h -o %T 2>/dev/null | grep -q idle && exit 0
    sleep 0.2
done
echo "SLURM did not get ready; see $state/slurmctld.log and $state/slurmd.log" >&2
exit 1
