"use strict";
const { chromium } = require("playwright-core");
const { show } = require("./show.cjs");

async function main() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
  const page = await browser.newPage({ bypassCSP: false });
  await page.goto(`${process.env.APPLICATION}/key.html`);
  await page.waitForFunction("window.shown.length >= 2");
  show(await page.evaluate("window.shown[1]"));
  await page.goto(`${process.env.APPLICATION}/inline_policy.html`);
  await page.waitForFunction("window.shown.length >= 1");
  show({ failed: "failed" in (await page.evaluate("window.shown[0]")) });
  await browser.close();
}

main();
