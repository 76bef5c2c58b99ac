#!/usr/bin/env bash
# Usage: check-mpi.sh [command]
# Trains with two processes in two network namespaces, which see each other over a
# virtual cable only, and compares with one process. Needs root, iproute2 and util-linux.
# The default command is build/ci/bin/universeg.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

command="$(realpath "${1:-${universeg_root}/build/ci/bin/universeg}")"
[ -x "${command}" ] || die "${command} is not there: run Utilities/build.sh ci"
[ "$(id -u)" = 0 ] || die "network namespaces need root"
for tool in ip unshare mpirun python3; do
  command -v "${tool}" >/dev/null || die "${tool} is missing"
done

folder="$(mktemp -d)"
cleanup()
{
  ip netns del universeg0 2>/dev/null || true
  ip netns del universeg1 2>/dev/null || true
  rm -rf "${folder}"
}
trap cleanup EXIT

for i in 0 1; do
  ip netns add "universeg${i}"
done
ip link add universeg0 netns universeg0 type veth peer name universeg1 netns universeg1
for i in 0 1; do
  ip -n "universeg${i}" addr add "10.199.77.$((i + 1))/24" dev "universeg${i}"
  ip -n "universeg${i}" link set "universeg${i}" up
  ip -n "universeg${i}" link set lo up
done

# Starts a command on a host: the last number of its address is that of the namespace.
cat >"${folder}/agent" <<'AGENT'
#!/usr/bin/env bash
while [[ "$1" == -* ]]; do shift; done
host="$1"
shift
number="$((${host##*.} - 1))"
exec ip netns exec "universeg${number}" unshare --uts bash -c "hostname universeg${number}; $*"
AGENT
chmod +x "${folder}/agent"

cat >"${folder}/settings.toml" <<'SETTINGS'
steps = 6
batches-per-step = 2
[network]
encoder-blocks = [8, 8]
[batch]
height = 32
width = 32
support-sizes = [3]
[optimizer]
method = "sgd"
[schedule]
rate = 0.05
[validation]
tasks = 0
SETTINGS

"${command}" train --config "${folder}/settings.toml" --output "${folder}/one" --threads 1 >/dev/null
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
ip netns exec universeg0 unshare --uts bash -c "hostname universeg0; exec mpirun -n 2 \
  --host 10.199.77.1,10.199.77.2 --map-by node --oversubscribe \
  --mca plm_rsh_agent '${folder}/agent' --mca btl tcp,self --mca btl_tcp_if_include 10.199.77.0/24 \
  --mca oob_tcp_if_include 10.199.77.0/24 \
  bash -c 'ip -o -4 addr show scope global >\"${folder}/rank\${OMPI_COMM_WORLD_RANK}\"
           exec \"\$@\"' - '${command}' train --config '${folder}/settings.toml' --output '${folder}/two' --threads 1" \
  >"${folder}/log" 2>&1 || { cat "${folder}/log" >&2; die "the training across namespaces failed"; }
grep -q '10\.199\.77\.1' "${folder}/rank0" || die "process 0 did not run in the first namespace"
grep -q '10\.199\.77\.2' "${folder}/rank1" || die "process 1 did not run in the second namespace"

python3 - "${folder}/one/model.safetensors" "${folder}/two/model.safetensors" <<'COMPARE'
import json, struct, sys

def read(name):
    data = open(name, "rb").read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    values = {}
    for key, entry in header.items():
        if key != "__metadata__":
            begin, end = entry["data_offsets"]
            values[key] = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    return values

one, two = read(sys.argv[1]), read(sys.argv[2])
difference = max(abs(a - b) for key in one for a, b in zip(one[key], two[key]))
if one.keys() != two.keys() or not difference < 1e-6:
    sys.exit(f"check-mpi.sh: error: the weights differ by {difference}")
print(f"the weights of one process and of two in different namespaces differ by {difference:.1e} at most")
COMPARE
say "mpi: two network namespaces"
