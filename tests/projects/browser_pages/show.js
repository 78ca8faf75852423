"use strict";
// What a page saw, one entry for each thing; tests wait for it.
window.shown = [];

function show(seen) {
  window.shown.push(seen);
}

function showSession(socket) {
  socket.onmessage = ({ data }) => {
    show({ protocol: socket.protocol, type: JSON.parse(data).type });
    socket.close();
  };
  socket.onerror = () => show({ failed: socket.url });
}
