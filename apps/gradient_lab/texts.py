"""What the page says before anything is measured: what is known, and from whom."""

TEXTS = {
    "start": (
        "How far back does a gradient reach?",
        "A recurrent network learns from an error at its end by passing the gradient back, step by step. Each step "
        "multiplies it with the same matrix, so that over many steps it shrinks or grows like a power of the "
        "matrix's spectral radius: below one it vanishes, above one it can explode (Hochreiter, 1991; Bengio et al., "
        "1994; Pascanu et al., 2013). At rest, with inputs and states of zero, the layers are linear, and the slope "
        "must be that of the dotted lines, the powers of the radius. Fed with inputs, tanh flattens and the gradient "
        "shrinks faster, or a large matrix drives the states into chaos. The LSTM adds a path on which the gradient is "
        "multiplied with the forget gate alone (Hochreiter &amp; Schmidhuber, 1997; Gers et al., 2000), and whether "
        "that gate starts half shut (bias 0) or mostly open (bias 1) decides how far the gradient reaches (Jozefowicz "
        "et al., 2015).",
    ),
    "training": (
        "What training does to it",
        "The same measurement in the middle of a training on the adding problem, of the first seed. A network whose "
        "gradient dies on the way has nothing to learn the first steps from; one that learns the task must have "
        "opened a way. The spectral radius is that of the layer at rest, which it no longer is: where tanh is driven "
        "to its ends, the gradient may vanish however large the radius has grown.",
    ),
    "adding": (
        "Vanishing: the adding problem",
        "Of a row of numbers two are marked; the answer is their sum (Hochreiter &amp; Schmidhuber, 1997; in the form "
        "of Arjovsky et al., 2016). Who always answers 1 has a mean squared error of 1/6 = 0.167. Both networks have "
        "one layer of the same size and are trained alike, clipped by global norm; what differs is the layer, and the "
        "learning rate, of which each has the one that suits it. A training is stopped when it has solved the task. "
        "The line is the median of the seeds, the band goes from the worst to the best.",
    ),
    "copy": (
        "Vanishing: the copy task",
        "Five symbols are shown, then nothing for a number of steps, then all five must be told (Hochreiter &amp; "
        "Schmidhuber, 1997; Arjovsky et al., 2016). Nothing has to be picked out here, only kept: a task made for an "
        "orthogonal matrix, which keeps the length of what it is multiplied with. A forget gate of bias 1 lets 73 % "
        "pass at each step, and less than a millionth over fifty; one of bias 3 lets 95 % pass, and over fifty nearly "
        "a tenth. How far an LSTM can look back when it begins to learn is a matter of that bias (Tallec &amp; "
        "Ollivier, 2018).",
    ),
    "exploding": (
        "Exploding, and clipping",
        "A recurrent matrix with a spectral radius of 1.5, and plain gradient descent at so high a rate that each step "
        "goes as far as the gradient is long. Clipping bounds the steps: the gradient as a whole (Pascanu et al., "
        "2013), that of each matrix, each entry (Mikolov, 2012), or that of each unit in proportion to its weights "
        "(Brock et al., 2021); where each begins is chosen so that all make steps of about the same length. A run "
        "counts as diverged when its loss passes ten times that of its first update, or is no number any more.",
    ),
    "order": (
        "Feed-forward against recurrent",
        "Among other symbols there are two that are X or Y, and the answer is which, in order: XX, XY, YX or YY "
        "(Hochreiter &amp; Schmidhuber, 1997). The same network with three layers, whose states are averaged: dense "
        "reads each step by itself, and so sees which symbols there are and not in what order; it cannot tell XY from "
        "YX, and three of four right is the most that it can reach.",
    ),
    "model": (
        "A trained model",
        "The gradient of the model's own loss on data of its own kind, in each recurrent layer: of each example as a "
        "share of where it entered, and of all the median. Through the recurrence alone: let in at the last step that "
        "the layer reads, and followed back from there. All paths: with what pooling or attention hand to each step "
        "directly as well.",
    ),
}

SOURCES = (
    "S. Hochreiter, Untersuchungen zu dynamischen neuronalen Netzen, diploma thesis, TU München, 1991.",
    "Y. Bengio, P. Simard, P. Frasconi, Learning long-term dependencies with gradient descent is difficult, 1994.",
    "S. Hochreiter, J. Schmidhuber, Long short-term memory, 1997.",
    "F. Gers, J. Schmidhuber, F. Cummins, Learning to forget: continual prediction with LSTM, 2000.",
    "T. Mikolov, Statistical language models based on neural networks, PhD thesis, Brno, 2012.",
    "R. Pascanu, T. Mikolov, Y. Bengio, On the difficulty of training recurrent neural networks, 2013.",
    "R. Jozefowicz, W. Zaremba, I. Sutskever, An empirical exploration of recurrent network architectures, 2015.",
    "M. Arjovsky, A. Shah, Y. Bengio, Unitary evolution recurrent neural networks, 2016.",
    "C. Tallec, Y. Ollivier, Can recurrent neural networks warp time?, 2018.",
    "A. Brock, S. De, S. L. Smith, K. Simonyan, High-performance large-scale image recognition without "
    "normalization, 2021.",
)

STYLE = """
body{max-width:70rem;margin:0 auto;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:#2b2f36;background:#fff}
p,ul{max-width:48rem}h1{font-size:1.6rem;line-height:1.2}h2{font-size:1.25rem;margin-top:2.5rem}
code{overflow-wrap:anywhere;background:#f5f7fa}
.pictures{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 24rem;max-width:34rem}
img{width:100%;height:auto}
.table{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}
th,td{padding:.25rem .6rem;border-bottom:1px solid #e4e7eb;text-align:left;white-space:nowrap}
.bars{list-style:none;padding:0}
.bars li{padding:.4rem .8rem;margin:.3rem 0;border-left:.3rem solid #009e73;background:#f5f7fa}
.bars li.not{border-color:#d55e00}
"""
