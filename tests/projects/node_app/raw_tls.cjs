"use strict";
// A client of its own making: URL and key in its code, an upgrade written by hand, at once or in pieces.
const tls = require("tls");
const { show, showFailure } = require("./show.cjs");

const [port, host, path, ...how] = process.argv.slice(2);
const head = [
  `GET ${path} HTTP/1.1`,
  `Host: ${host}`,
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Authorization: Token 0123456789abcdef0123456789abcdef01234567",
  "",
  "",
].join("\r\n");

const socket = tls.connect({ host, port, servername: host }, () => {
  const size = how.includes("in pieces") ? 7 : head.length;
  for (let at = 0; at < head.length && !socket.destroyed; at += size) socket.write(Buffer.from(head.slice(at, at + size)));
});
socket.on("error", (error) => {
  showFailure(error);
  process.exit(0);
});
socket.once("data", (data) => {
  show({ status: String(data).split("\r\n")[0] });
  socket.destroy();
});
