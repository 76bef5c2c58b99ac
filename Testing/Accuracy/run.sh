#!/usr/bin/env bash
# Usage: run.sh DATA_DIR OUT.md [MODEL]
# Segments real images with the command and writes the table of mean Dice, on
# the images' own pixels, as Markdown. DATA_DIR holds the folders wbc, chase_db1,
# dsb2018, hvsmr, spider, sct and msd_task04_hippocampus; a set that is not there is
# left out with a line that says so.
# UNIVERSEG_COMMAND: the command; default: that of the release build.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
data="$1"
out="$2"
model="${3:-}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
universeg="${UNIVERSEG_COMMAND:-${root}/build/release/bin/universeg}"
[ -x "${universeg}" ] || { echo "run.sh: there is no command '${universeg}'" >&2; exit 1; }
[ -d "${data}" ] || { echo "run.sh: there is no folder '${data}'" >&2; exit 1; }
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT
rows="${work}/rows.md"
: >"${rows}"

# The pairs whose mask has a structure: lines "image<TAB>mask".
with_structure()
{
  local pairs="$1"
  shift
  cut -f2 "${pairs}" >"${work}/masks"
  mapfile -t masks <"${work}/masks"
  "${universeg}" evaluate --prediction "${masks[@]}" --reference "${masks[@]}" "$@" --csv "${work}/own.csv" >/dev/null
  # The last fields have no commas, whatever the names are.
  tail -n +2 "${work}/own.csv" | awk -F, '{ print ($(NF-3) > 0) }' | paste - "${pairs}" | awk -F'\t' '$1 == 1' | cut -f2,3
}

# segment_targets S OPTION...: of the arrays targets, images and masks, the latter two their first S, to results.
segment_targets()
{
  local s="$1" target name
  shift
  rm -rf "${work}/results"
  "${universeg}" segment ${model:+--model "${model}"} --image "${targets[@]}" --output "${work}/results" \
    --support-images "${images[@]:0:${s}}" --support-labels "${masks[@]:0:${s}}" "$@"
  results=()
  for target in "${targets[@]}"; do
    name="$(basename "${target}")"
    results+=("${work}/results/${name%.*}_seg.png")
  done
}

# mean_dice LABEL-OPTION...: of the results, as a cell of the table.
mean_dice()
{
  local mean
  # Results of a colour become label 1, which the reference's colour becomes too.
  mean="$("${universeg}" evaluate --prediction "${results[@]}" --reference "${truths[@]}" --ignore-geometry "$@" \
    --json - | sed -n 's/^ *"mean_dice": \([0-9.]*\).*/\1/p')"
  LC_ALL=C printf ' %.4f |' "${mean}"
}

# The columns of the table: supports, and how many of them a target takes (0: all).
columns=("1 0" "4 0" "16 0" "64 0" "64 16")

# measure TITLE STRUCTURE SUPPORTS TESTS SIZES LABEL-OPTION...
measure()
{
  local title="$1" structure="$2" supports="$3" tests="$4" sizes="$5" column s nearest cells=""
  shift 5
  with_structure "${supports}" "$@" >"${work}/supports"
  mapfile -t images < <(cut -f1 "${work}/supports")
  mapfile -t masks < <(cut -f2 "${work}/supports")
  mapfile -t targets < <(cut -f1 "${tests}")
  mapfile -t truths < <(cut -f2 "${tests}")
  for column in "${columns[@]}"; do
    read -r s nearest <<<"${column}"
    if [[ " ${sizes} " != *" ${s} "* ]]; then
      cells="${cells} - |"
      continue
    fi
    segment_targets "${s}" --nearest-supports "${nearest}" "$@"
    cells="${cells}$(mean_dice "$@")"
  done
  printf '| %s | %s | %s |%s\n' "${title}" "${structure}" "${#targets[@]}" "${cells}" >>"${rows}"
  printf '%s, %s:%s\n' "${title}" "${structure}" "${cells}" >&2
}

# measure_together TITLE SUPPORTS TESTS LABEL:STRUCTURE...: all labels of the masks at once.
measure_together()
{
  local title="$1" tests="$3" column s nearest label cells=()
  mapfile -t images < <(cut -f1 "$2")
  mapfile -t masks < <(cut -f2 "$2")
  mapfile -t targets < <(cut -f1 "${tests}")
  mapfile -t truths < <(cut -f2 "${tests}")
  shift 3
  for column in "${columns[@]}"; do
    read -r s nearest <<<"${column}"
    segment_targets "${s}" --nearest-supports "${nearest}"
    for label in "$@"; do
      cells["${label%%:*}"]="${cells["${label%%:*}"]:-}$(mean_dice --label "${label%%:*}")"
    done
  done
  for label in "$@"; do
    printf '| %s | %s | %s |%s\n' "${title}" "${label#*:}" "${#targets[@]}" "${cells["${label%%:*}"]}" >>"${rows}"
    printf '%s, %s:%s\n' "${title}" "${label#*:}" "${cells["${label%%:*}"]}" >&2
  done
}

missing()
{
  printf 'Not measured: %s, which is not in the data folder.\n' "$1" >>"${work}/missing"
}

# White blood cells: the split of the authors' loader, indices into the sorted names.
wbc="${data}/wbc/Dataset 1"
splits="${root}/Testing/Goldens/universeg/i_loaders/splits.json"
if [ -d "${wbc}" ] && [ -f "${splits}" ]; then
  indices()
  {
    tr -d ' \n' <"${splits}" | sed 's/.*"WBC_JTSC":{\([^}]*\)}.*/\1/' | sed 's/.*"'"$1"'":\[\([^]]*\)\].*/\1/' | tr ',' '\n'
  }
  mapfile -t names < <(cd "${wbc}" && ls -- *.bmp | LC_ALL=C sort)
  for part in support test; do
    for i in $(indices "${part}"); do
      name="${names[${i}]%.bmp}"
      printf '%s\t%s\n' "${wbc}/${name}.bmp" "${wbc}/${name}.png"
    done >"${work}/wbc_${part}"
  done
  head -n 20 "${work}/wbc_test" >"${work}/wbc_first"
  measure "WBC Dataset 1" nucleus "${work}/wbc_support" "${work}/wbc_first" "1 4 16 64" --label 255
  measure "WBC Dataset 1" cytoplasm "${work}/wbc_support" "${work}/wbc_first" "1 4 16 64" --label 128
  measure_together "WBC Dataset 1" "${work}/wbc_support" "${work}/wbc_first" "255:nucleus *" "128:cytoplasm *"
else
  missing "WBC Dataset 1"
fi

# pairs SUFFIX FILES...: lines for NAME.EXT and NAME<suffix>.png.
pairs()
{
  local suffix="$1" file
  shift
  for file in "$@"; do
    printf '%s\t%s\n' "${file}" "${file%.*}${suffix}.png"
  done
}

chase="${data}/chase_db1/CHASEDB1"
if [ -d "${chase}" ]; then
  pairs _1stHO "${chase}"/Image_*.jpg >"${work}/chase"
  head -n 16 "${work}/chase" >"${work}/chase_support"
  tail -n +17 "${work}/chase" >"${work}/chase_test"
  measure "CHASE DB1" vessels "${work}/chase_support" "${work}/chase_test" "1 4 16" --binary
else
  missing "CHASE DB1"
fi

for kind in "fluo_256x256 1 4 16 64" "colorlight_256x320 1 4 16" "fluo_360x360 1 4 16"; do
  folder="${data}/dsb2018/${kind%% *}"
  if [ -d "${folder}" ]; then
    find "${folder}" -name '*.png' ! -name '*_mask.png' | LC_ALL=C sort >"${work}/dsb_images"
    mapfile -t files <"${work}/dsb_images"
    pairs _mask "${files[@]}" >"${work}/dsb"
    head -n -20 "${work}/dsb" >"${work}/dsb_support"
    tail -n 20 "${work}/dsb" >"${work}/dsb_test"
    measure "DSB 2018 ${kind%% *}" nuclei "${work}/dsb_support" "${work}/dsb_test" "${kind#* }" --binary
  else
    missing "DSB 2018 ${kind%% *}"
  fi
done

# Two subjects show, the third is segmented.
hvsmr="${data}/hvsmr"
if [ -d "${hvsmr}/images" ]; then
  for structure in "left ventricle:255,0,0" "right ventricle:0,0,255"; do
    color="${structure#*:}"
    for part in support test; do
      for image in "${hvsmr}"/images/*.png; do
        case "$(basename "${image}"):${part}" in
          10002_*:test | 1000[01]_*:support) printf '%s\t%s\n' "${image}" "${hvsmr}/masks/$(basename "${image}")" ;;
        esac
      done >"${work}/hvsmr_${part}"
    done
    with_structure "${work}/hvsmr_test" --label-color "${color}" >"${work}/hvsmr_with"
    sizes="1 4"
    [ "$(with_structure "${work}/hvsmr_support" --label-color "${color}" | wc -l)" -lt 16 ] || sizes="1 4 16"
    measure HVSMR "${structure%:*}" "${work}/hvsmr_support" "${work}/hvsmr_with" "${sizes}" --label-color "${color}"
  done
else
  missing HVSMR
fi

spider="${data}/spider"
if [ -d "${spider}/images" ]; then
  for image in "${spider}"/images/*.png; do
    printf '%s\t%s\n' "${image}" "${spider}/masks/$(basename "${image}")"
  done >"${work}/spider"
  head -n -8 "${work}/spider" >"${work}/spider_support"
  tail -n 8 "${work}/spider" >"${work}/spider_last"
  vertebrae=(255,0,0 0,255,0 0,0,255 255,255,0 0,255,255 255,0,255 128,40,40)
  discs=(128,128,0 0,128,128 128,0,128 40,40,40 80,80,80 128,128,128 255,255,255)
  for structure in "vertebrae:${vertebrae[*]}" "discs:${discs[*]}" "canal:40,128,40"; do
    read -ra colors <<<"${structure#*:}"
    with_structure "${work}/spider_last" --label-color "${colors[@]}" --binary >"${work}/spider_test"
    measure SPIDER "${structure%%:*}" "${work}/spider_support" "${work}/spider_test" "1 4 16" \
      --label-color "${colors[@]}" --binary
  done
else
  missing SPIDER
fi

# slices FOLDER NAME...: pairs of the slices that extract_slices.py wrote of volumes.
slices()
{
  local folder="$1" name file
  shift
  for name in "$@"; do
    for file in "${folder}/${name}"_[0-9]*_mask.png; do
      printf '%s\t%s\n' "${file%_mask.png}.png" "${file}"
    done
  done
}

# Slices across the cord of three contrasts show, those of a fourth are segmented.
sct="${data}/sct"
if [ -d "${sct}/t2" ]; then
  "${root}/Testing/Accuracy/extract_slices.py" "${work}/sct" --axis 1 --count 6 \
    "${sct}/t1/t1w.nii.gz" "${sct}/t1/t1w_seg-manual.nii.gz" "${sct}/t2/t2.nii.gz" "${sct}/t2/t2_seg-manual.nii.gz"
  "${root}/Testing/Accuracy/extract_slices.py" "${work}/sct" --axis 2 --count 6 \
    "${sct}/mt/mt0.nii.gz" "${sct}/mt/mt0_seg.nii.gz" "${sct}/mt/mt1.nii.gz" "${sct}/mt/mt1_seg.nii.gz"
  slices "${work}/sct" t1w mt0 mt1 >"${work}/sct_support"
  slices "${work}/sct" t2 >"${work}/sct_test"
  measure "SCT, T2" "spinal cord" "${work}/sct_support" "${work}/sct_test" "1 4 16" --binary
else
  missing SCT
fi

# A middle slice of each volume, across its last axis: the first 64 show, the last 20 are segmented.
hippocampus="${data}/msd_task04_hippocampus"
if [ -d "${hippocampus}/imagesTr" ]; then
  names=()
  for file in "${hippocampus}"/imagesTr/*.nii.gz; do
    name="$(basename "${file}" .nii.gz)"
    names+=("${name}")
  done
  volumes=()
  for name in "${names[@]:0:64}" "${names[@]: -20}"; do
    volumes+=("${hippocampus}/imagesTr/${name}.nii.gz" "${hippocampus}/labelsTr/${name}.nii.gz")
  done
  "${root}/Testing/Accuracy/extract_slices.py" "${work}/hippocampus" "${volumes[@]}"
  slices "${work}/hippocampus" "${names[@]:0:64}" >"${work}/hippocampus_support"
  slices "${work}/hippocampus" "${names[@]: -20}" >"${work}/hippocampus_test"
  for structure in "whole:--binary" "anterior:--label 1" "posterior:--label 2"; do
    read -ra choice <<<"${structure#*:}"
    with_structure "${work}/hippocampus_test" "${choice[@]}" >"${work}/hippocampus_with"
    measure "MSD hippocampus" "${structure%%:*}" "${work}/hippocampus_support" "${work}/hippocampus_with" \
      "1 4 16 64" "${choice[@]}"
  done
  measure_together "MSD hippocampus" "${work}/hippocampus_support" "${work}/hippocampus_test" "1:anterior *" \
    "2:posterior *"
else
  missing "MSD hippocampus"
fi

{
  printf '| data | structure | images | S = 1 | S = 4 | S = 16 | S = 64 | 16 of 64 |\n|---|---|---|---|---|---|---|---|\n'
  cat "${rows}"
  printf '\nModel: %s. Command: `Testing/Accuracy/run.sh DATA_DIR OUT.md%s`\n' \
    "${model:-the embedded one}" "${model:+ MODEL}"
  [ ! -f "${work}/missing" ] || { echo; cat "${work}/missing"; }
} >"${out}"
