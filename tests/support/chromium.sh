#!/bin/sh
# A Chromium for which the vendor has no address: a page that reaches past the gateway fails at once, with any network.
for name in chromium chromium-browser google-chrome; do
    if program=$(command -v "$name"); then
        exec "$program" --host-resolver-rules="MAP *.deepgram.com ~NOTFOUND" "$@"
    fi
done
exit 127
