"use strict";
// Prints, as one line of JSON, what a session came to.

function show(seen) {
  process.stdout.write(`${JSON.stringify(seen)}\n`);
}

function showFailure(error) {
  const { name, code, message } = error?.cause?.name === "BypassRefused" ? error.cause : (error ?? {});
  show({ name, code, message });
}

/** Works for ws and for the class that browsers have. */
function showSession(socket) {
  socket.addEventListener("message", ({ data }) => {
    show({ protocol: socket.protocol, type: JSON.parse(data).type });
    socket.close();
  });
  socket.addEventListener("error", (event) => showFailure(event.error ?? event));
}

module.exports = { show, showFailure, showSession };
