"""An MXNet program, unchanged: a character model on sequences of several lengths, in a BucketingModule.

Run it with weft: python -m weft.as_mxnet examples/bucketing_char_rnn.py
"""

import mxnet as mx
import numpy as np

mx.random.seed(2)
np.random.seed(2)
WORDS = "one two three four five six seven eight nine ten eleven twelve".split()
LETTERS = sorted(set("".join(WORDS)) | {"."})
BATCH, EMBED, HIDDEN = 8, 8, 32


class Words(mx.io.DataIter):
    """Batches of words of one length each, with the next letters as labels."""

    def __init__(self, count):
        super().__init__(BATCH)
        self.buckets = {}
        for word in np.random.choice(WORDS, count):
            codes = [LETTERS.index(letter) for letter in word + "."]
            self.buckets.setdefault(len(word), []).append(codes)
        self.default_bucket_key = max(self.buckets)
        self.provide_data, self.provide_label = self.shapes(self.default_bucket_key)
        self.reset()

    def shapes(self, length):
        return [mx.io.DataDesc("data", (BATCH, length))], [mx.io.DataDesc("softmax_label", (BATCH, length))]

    def reset(self):
        self.plan = [(key, at) for key, words in self.buckets.items() for at in range(0, len(words) - BATCH + 1, BATCH)]
        np.random.shuffle(self.plan)

    def next(self):
        if not self.plan:
            raise StopIteration
        key, at = self.plan.pop()
        codes = mx.nd.array(self.buckets[key][at : at + BATCH])
        data, label = self.shapes(key)
        return mx.io.DataBatch([codes[:, :-1]], [codes[:, 1:]], pad=0, bucket_key=key, provide_data=data, provide_label=label)


def network(length):
    """A recurrent net written out for `length` letters; all lengths share the parameters."""
    sym = mx.sym
    data, label = sym.Variable("data"), sym.Variable("softmax_label")
    names = ("embed_weight", "input_weight", "input_bias", "state_weight", "state_bias", "output_weight", "output_bias")
    p = {name: sym.Variable(name) for name in names}
    letters = sym.Embedding(data, weight=p["embed_weight"], input_dim=len(LETTERS), output_dim=EMBED)
    steps = sym.SliceChannel(letters, num_outputs=length, axis=1, squeeze_axis=True)
    state, outputs = None, []
    for i in range(length):
        step = steps[i] if length > 1 else steps
        now = sym.FullyConnected(step, weight=p["input_weight"], bias=p["input_bias"], num_hidden=HIDDEN)
        if state is not None:
            now = now + sym.FullyConnected(state, weight=p["state_weight"], bias=p["state_bias"], num_hidden=HIDDEN)
        state = sym.Activation(now, act_type="tanh")
        outputs.append(sym.expand_dims(state, axis=1))
    states = sym.reshape(sym.Concat(*outputs, dim=1), shape=(-1, HIDDEN))
    scores = sym.FullyConnected(states, weight=p["output_weight"], bias=p["output_bias"], num_hidden=len(LETTERS))
    return sym.SoftmaxOutput(scores, sym.reshape(label, shape=(-1,)), name="softmax"), ("data",), ("softmax_label",)


def perplexity(label, prediction):
    chosen = prediction[np.arange(label.size), label.reshape(-1).astype(int)]
    return float(np.exp(-np.log(np.maximum(chosen, 1e-10)).mean()))


train = Words(800)
module = mx.mod.BucketingModule(network, default_bucket_key=train.default_bucket_key)
metric = mx.metric.np(perplexity, allow_extra_outputs=True)
history = []
module.fit(
    train,
    eval_metric=metric,
    optimizer="adam",
    optimizer_params={"learning_rate": 0.01},
    initializer=mx.init.Xavier(factor_type="in", magnitude=2.34),
    num_epoch=12,
    epoch_end_callback=lambda epoch, *rest: history.append(dict(module.score(train, metric))["perplexity"]),
)
print("perplexity", round(history[0], 2), "after the first epoch,", round(history[-1], 2), "at the end")
print("the model knows the words:", history[-1] < 1.6)
print("it shares parameters between", len(module._buckets), "lengths:", len(module.get_params()[0]) == 7)
