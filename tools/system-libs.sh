#!/bin/sh
# The face tracker (mediapipe, opencv) loads three system libraries that a bare Debian or Ubuntu image lacks.
# Installs them with apt where that is allowed, else prints the one line that would. Never fails: the demo runs
# without them, and everything that needs them says so when asked.
packages="libgl1 libegl1 libgles2"
missing=""
for pair in libGL.so.1:libgl1 libEGL.so.1:libegl1 libGLESv2.so.2:libgles2; do
    library=${pair%%:*}
    (/sbin/ldconfig -p 2>/dev/null || ldconfig -p 2>/dev/null) | grep -q "$library" || missing="$missing ${pair##*:}"
done
[ -z "$missing" ] && exit 0
if [ "$(uname -s)" != Linux ]; then exit 0; fi
line="apt-get update && apt-get install -y $packages"
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo -n"; else run="no"; fi
    if [ "$run" != no ]; then
        echo "Installing$missing for the face tracker"
        if $run apt-get update -qq >/dev/null 2>&1 &&
            $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing >/dev/null 2>&1; then
            exit 0
        fi
    fi
fi
echo "The face tracker lacks$missing (the demo runs without). This line installs them: $line"
exit 0
