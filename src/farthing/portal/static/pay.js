// The provider's form in our page. Its script comes from its own address, as it must; cards never pass through here.
const WAIT_MS = 15000;
const form = document.getElementById("pay");
const trouble = document.getElementById("trouble");
const instead = document.getElementById("instead");
const { script, publishableKey, clientSecret, locale, unloaded, unconfirmed } = form.dataset;
const order = new URL(form.dataset.order, location.href).href;
const dark = matchMedia("(prefers-color-scheme: dark)");
let pay; // once the form is there
delete form.dataset.clientSecret;

function load(address) {
  return new Promise((resolve, reject) => {
    const element = document.createElement("script");
    element.src = address;
    element.onload = () => (window.Stripe ? resolve(window.Stripe) : reject(new Error("another script")));
    element.onerror = () => reject(new Error("not loaded"));
    setTimeout(() => reject(new Error("too slow")), WAIT_MS);
    document.head.append(element);
  });
}

function appearance() {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(name).trim();
  return {
    theme: dark.matches ? "night" : "stripe",
    variables: {
      colorPrimary: token("--accent"),
      colorBackground: token("--sheet"),
      colorText: token("--ink"),
      colorTextSecondary: token("--soft"),
      colorDanger: token("--bad"),
      borderRadius: "8px",
    },
  };
}

function say(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
  if (text) trouble.focus();
}

function giveUp() {
  form.hidden = true;
  instead.hidden = false;
  say(unloaded);
}

async function begin() {
  form.hidden = false;
  instead.hidden = true;
  const stripe = (await load(script))(publishableKey, { locale });
  const { paymentIntent } = await stripe.retrievePaymentIntent(clientSecret);
  if (["succeeded", "processing"].includes(paymentIntent?.status)) return location.replace(order);
  const elements = stripe.elements({ clientSecret, appearance: appearance() });
  const fields = elements.create("payment");
  fields.on("ready", () => {
    document.getElementById("loading").hidden = true;
    form.querySelector("button").disabled = false;
    pay = () => confirm(stripe, elements);
  });
  fields.on("loaderror", giveUp);
  fields.mount("#fields");
  dark.addEventListener("change", () => elements.update({ appearance: appearance() }));
}

async function confirm(stripe, elements) {
  form.setAttribute("aria-busy", "true");
  say("");
  let error;
  try {
    ({ error } = await stripe.confirmPayment({
      elements,
      confirmParams: { return_url: order },
      redirect: "if_required",
    }));
  } catch {
    error = {};
  }
  if (!error || ["succeeded", "processing"].includes(error.payment_intent?.status)) return location.assign(order);
  form.removeAttribute("aria-busy");
  const theirs = ["card_error", "validation_error"].includes(error.type) && error.message;
  say(theirs || unconfirmed);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!form.hasAttribute("aria-busy")) pay?.();
});
begin().catch(giveUp);
