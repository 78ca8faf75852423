import "./worker_key.js";

const answer = await fetch("worker_key.js");
const socket = new WebSocket("wss://agent.deepgram.com/v1/agent/converse", ["token", self.key]);
socket.onmessage = ({ data }) => {
  postMessage({ type: JSON.parse(data).type, path: self.location.pathname, fetched: answer.ok });
  socket.close();
};
socket.onerror = () => postMessage({ failed: socket.url });
