export default {
  render({ model, el }) {
    let last = 0;
    const waiting = new Map();
    const answered = () => {
      const { id, examples, error } = model.get("answer");
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (resolve) examples ? resolve(examples) : reject(new Error(error));
    };
    model.on("change:answer", answered);
    const ask = (codes, condition) => new Promise((resolve, reject) => {
      const id = `${Math.random()}-${++last}`;
      waiting.set(id, { resolve, reject });
      model.set("asked", { id, codes: codes.map(code => Array.from(code)), condition });
      model.save_changes();
    });
    el.classList.add("explorer");
    el.innerHTML = MARKUP;
    mountExplorer(el, model.get("contents"), ask);
    return () => model.off("change:answer", answered);
  },
};
