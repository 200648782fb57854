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

// The answer to a form is no page to come back to: the browser would ask to send the form again, or
// show nothing. Back and reload lead to the page that the form was sent from.
if ("answer" in document.body.dataset && document.referrer.startsWith(`${location.origin}/`)) {
  history.replaceState(null, "", document.referrer);
}

// What was sent after the session had ended is filled in again at the page that it was sent from,
// once the same person has signed in. This tab keeps it until the next page; never a password, a
// file, or what the page itself put into the form.
const SENT = "xuanyong:sent";
const { person, filled } = document.body.dataset;
const UNKEPT = "button, fieldset, output, [type=hidden], [type=password], [type=file], [type=submit]";

const typedFields = (form) =>
  [...form.elements].filter((one) => one.name && !one.matches(UNKEPT));
const formsSentTo = (action) =>
  [...document.querySelectorAll("form[method=post]")].filter(
    (form) => form.getAttribute("action") === action,
  );
const isChoice = (one) => one.type === "checkbox" || one.type === "radio";

function keepSent(form) {
  const action = form.getAttribute("action");
  const fields = typedFields(form).map(({ name, type, value, checked }) => ({
    name,
    type,
    value,
    checked,
  }));
  const from = location.pathname + location.search;
  const nth = formsSentTo(action).indexOf(form);
  sessionStorage.setItem(SENT, JSON.stringify({ person, from, action, nth, fields }));
}

function fillAgain({ action, nth, fields }) {
  const form = formsSentTo(action)[nth];
  if (!form) return;
  for (const one of typedFields(form)) {
    const at = fields.findIndex(
      (was) =>
        was.name === one.name &&
        was.type === one.type &&
        (!isChoice(one) || was.value === one.value),
    );
    if (at < 0) continue;
    const [was] = fields.splice(at, 1);
    if (isChoice(one)) one.checked = was.checked;
    else if (!one.options || [...one.options].some((option) => option.value === was.value))
      one.value = was.value;
  }
  const told = document.createElement("p");
  told.className = "notice notice--quiet";
  told.setAttribute("role", "status");
  told.textContent = filled;
  form.prepend(told);
  form.closest("details")?.setAttribute("open", "");
  form.scrollIntoView({ block: "center" });
  form.dispatchEvent(new Event("input", { bubbles: true }));
}

addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || !person || !form.matches("form[method=post]")) return;
  if (form.matches("[action='/sign-out']")) sessionStorage.removeItem(SENT);
  else keepSent(form);
});

const sent = JSON.parse(sessionStorage.getItem(SENT) ?? "null");
if (sent && location.pathname === "/sign-in") {
  sessionStorage.setItem(SENT, JSON.stringify({ ...sent, ended: true }));
} else if (sent) {
  sessionStorage.removeItem(SENT);
  const isBack = sent.from === location.pathname + location.search;
  if (sent.ended && isBack && sent.person === person) fillAgain(sent);
}
