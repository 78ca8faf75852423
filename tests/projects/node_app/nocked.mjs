// A program whose requests a test answers itself, by nock.
import https from "node:https";
import nock from "nock";
import { show } from "./show.cjs";

const url = "https://api.deepgram.com/v1/auth/grant";
nock("https://api.deepgram.com").post("/v1/auth/grant").times(2).reply(200, { access_token: "mocked" });

show(await (await fetch(url, { method: "POST" })).json());
https.request(url, { method: "POST" }, (response) => response.on("data", (body) => show(JSON.parse(body)))).end();
