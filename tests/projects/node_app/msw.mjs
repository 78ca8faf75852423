// A program whose requests and sessions a test answers itself, by MSW.
import https from "node:https";
import { HttpResponse, http, ws } from "msw";
import { setupServer } from "msw/node";
import { show } from "./show.cjs";

const url = "https://api.deepgram.com/v1/auth/grant";
const answer = { access_token: "mocked" };
const agent = ws.link("wss://agent.deepgram.com/*");
const server = setupServer(
  http.post(url, () => HttpResponse.json(answer)),
  agent.addEventListener("connection", ({ client }) => client.send(JSON.stringify(answer))),
);
server.listen();

show(await (await fetch(url, { method: "POST" })).json());
await new Promise((resolve) => {
  const shown = (response) => response.on("data", (body) => resolve(show(JSON.parse(body))));
  https.request(url, { method: "POST" }, shown).end();
});
await new Promise((resolve) => {
  const socket = new WebSocket("wss://agent.deepgram.com/v1/agent/converse", ["token", "key"]);
  socket.onmessage = ({ data }) => resolve(show(JSON.parse(data)));
});
server.close();
