import { show, showFailure, showSession } from "./show.cjs";

const [url, scheme, key] = process.argv.slice(2);
try {
  const socket = new WebSocket(url, [scheme, key]);
  show({ ours: socket instanceof WebSocket, open: WebSocket.OPEN });
  showSession(socket);
} catch (error) {
  showFailure(error);
}
