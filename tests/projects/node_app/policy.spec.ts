import { expect, test } from "@playwright/test";

test("the page's policy holds", async ({ browser, baseURL }) => {
  const page = await browser.newPage({ baseURL, bypassCSP: false });
  await page.goto("/inline_policy.html");
  await expect.poll(() => page.evaluate("'failed' in window.shown.at(-1)")).toBe(true);
});
