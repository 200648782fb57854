// What helps where JavaScript runs; every page works without it.

// A choice in a filter row takes effect at once.
for (const form of document.querySelectorAll("form[data-filters]")) {
  form.addEventListener("change", (event) => {
    if (event.target instanceof HTMLSelectElement) form.requestSubmit();
  });
}

// A form that is on its way is not sent twice.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.getAttribute("aria-busy") === "true") event.preventDefault();
    form.setAttribute("aria-busy", "true");
  });
}

// Coming back with the browser's own cache must not leave such a form locked.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[aria-busy]")) form.removeAttribute("aria-busy");
});

// A form that keeps itself: what is typed is sent to its draft's address a moment later.
for (const form of document.querySelectorAll("form[data-keep]")) {
  let waiting = 0;
  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const typed = new FormData(form);
      fetch(form.dataset.keep, {
        method: "POST",
        redirect: "manual",
        headers: { "X-CSRF-Token": String(typed.get("csrf_token")) },
        body: new URLSearchParams(typed),
      }).catch(() => {});
    }, 800);
  });
}
