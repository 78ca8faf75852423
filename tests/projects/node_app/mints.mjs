// Mints a token with a key that is in its code, by https and by fetch.
import https from "node:https";
import { show } from "./show.cjs";

const key = "0123456789abcdef0123456789abcdef01234567";
const url = "https://api.deepgram.com/v1/auth/grant";

const late = https.request(url, { method: "POST" }, (response) => {
  response.on("data", (chunk) => show(JSON.parse(chunk)));
});
late.setHeader("Authorization", `Token ${key}`);
late.end();

const minted = await fetch(url, { method: "POST", headers: { Authorization: `Token ${key}` } });
show(await minted.json());
