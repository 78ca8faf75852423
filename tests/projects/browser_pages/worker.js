"use strict";
importScripts("worker_key.js");
const socket = new WebSocket("wss://agent.deepgram.com/v1/agent/converse", ["token", self.key]);
socket.onmessage = ({ data }) => {
  postMessage({ type: JSON.parse(data).type, path: self.location.pathname });
  socket.close();
};
socket.onerror = () => postMessage({ failed: socket.url });
