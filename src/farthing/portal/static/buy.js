// The price of any amount, as one types. The server computes and writes it: this only fetches the same page again.
const PAUSE_MS = 200;

for (const form of document.querySelectorAll("form[data-live]")) {
  const input = form.elements.amount;
  const box = document.getElementById(form.dataset.live);
  let timer;
  let asking = new AbortController();

  const wanted = () => new URLSearchParams(new FormData(form)).toString();

  async function show() {
    asking.abort();
    asking = new AbortController();
    const address = new URL(form.action);
    const asked = wanted();
    address.search = asked;
    try {
      const answer = await fetch(address, { signal: asking.signal });
      if (!answer.ok) throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(form.dataset.live);
      if (!fresh) throw new Error("another page");
      if (wanted() !== asked) return changed();
      box.replaceChildren(...fresh.childNodes);
      box.removeAttribute("aria-busy");
      history.replaceState(null, "", address.pathname + address.search);
    } catch (error) {
      if (error.name !== "AbortError") form.submit();
    }
  }

  function changed() {
    // A price that is no longer what was typed must not be paid by mistake, nor come back late.
    asking.abort();
    box.setAttribute("aria-busy", "true");
    for (const button of box.querySelectorAll("button")) button.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(show, PAUSE_MS);
  }

  input.addEventListener("input", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    show();
  });
  form.querySelector("[data-without-script]").hidden = true;
  // Somebody may have typed before this file arrived.
  if (input.value !== input.defaultValue) changed();
}
