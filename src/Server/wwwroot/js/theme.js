// Runs before the first paint: without a choice by the person, the theme follows the system.
(() => {
  const root = document.documentElement;
  if (root.dataset.theme !== "light" && root.dataset.theme !== "dark")
    root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
})();
