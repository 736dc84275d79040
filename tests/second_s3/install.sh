#!/usr/bin/env bash
# Unpacks Ceph's monitor, OSD and radosgw, and the libraries that this system lacks, from its own Debian or Ubuntu
# archive into a folder. Nothing is installed, and no rights are needed. 70 MB, half a minute.
#
#   bash tests/second_s3/install.sh FOLDER
set -euo pipefail
folder=${1:?the folder to unpack into}
wanted="ceph-mon ceph-osd radosgw"

if [ -e "$folder/.unpacked" ]; then
    exit
fi
if ! command -v apt-get >/dev/null; then
    echo "Ceph's packages come from Debian's or Ubuntu's archive, and there is no apt-get: its tests are skipped." >&2
    exit
fi
# What is installed already is not named, and is used from where it is.
# shellcheck disable=SC2086
plan=$(apt-get install --simulate --no-install-recommends $wanted) || {
    echo "apt-get knows no $wanted; as root: apt-get update" >&2
    exit 1
}
packages=$(awk '/^Inst /{print $2}' <<<"$plan")
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"
echo "Unpacking Ceph into $folder (once) ..." >&2
# shellcheck disable=SC2086
[ -z "$packages" ] || apt-get download --quiet $packages >/dev/null
for package in *.deb; do
    [ ! -e "$package" ] || dpkg-deb --extract "$package" .
done
rm -f ./*.deb
touch .unpacked
