"""The data sets that are prepared here, one entry each."""

from ae_jax.data.builders.cifar import read_cifar10
from ae_jax.data.builders.digits import read_amat, read_digits, read_packed
from ae_jax.data.builders.frey import read_frey_mat, read_frey_npz
from ae_jax.data.builders.omniglot import read_omniglot_npz, read_omniglot_zips
from ae_jax.data.builders.recipe import Expected, Form, Recipe

_NOT_STATED = "not stated; see the homepage"
_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_IDX_GZ = tuple(f"{file}.gz" for file in _IDX)
_AMAT = tuple(f"binarized_mnist_{split}.amat" for split in ("train", "valid", "test"))
_OMNIGLOT = ("images_background.zip", "images_evaluation.zip")


def _under(address: str, files: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(address + file for file in files)


_MNIST = Recipe(
    name="mnist",
    description="Handwritten digits: 70,000 images of 28 x 28 in ten classes.",
    homepage="http://yann.lecun.com/exdb/mnist/",
    citation="LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to document recognition, "
    "Proceedings of the IEEE 86(11), 1998.",
    licence=_NOT_STATED,
    shape=(28, 28),
    labels=("label",),
    urls=_under("https://storage.googleapis.com/cvdf-datasets/mnist/", _IDX_GZ),
    forms=(Form(_IDX_GZ, read_digits), Form(_IDX, read_digits)),
    splits={
        "train": Expected(
            60_000,
            {
                "image": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
                "label": "e474323ac02fc156161b0bbb1f8c9cfeb327a74bcd9f9680a8385269a24f566c",
            },
        ),
        "test": Expected(
            10_000,
            {
                "image": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
                "label": "2fd8de6bdb8d11780b4b96dc57847bcfe6953f7c32aa48bfcd8237c3b7847243",
            },
        ),
    },
)

_FASHION_MNIST = Recipe(
    name="fashion_mnist",
    description="Zalando's articles of clothing: 70,000 images of 28 x 28 in ten classes.",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
    citation="Xiao, Rasul and Vollgraf, Fashion-MNIST: a novel image dataset for benchmarking machine learning "
    "algorithms, arXiv:1708.07747, 2017.",
    licence="MIT",
    shape=(28, 28),
    labels=("label",),
    urls=_under("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", _IDX_GZ),
    forms=(Form(_IDX_GZ, read_digits), Form(_IDX, read_digits)),
    splits={
        "train": Expected(
            60_000,
            {
                "image": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
                "label": "e3245b63f7c40d1c8b652835f19744d970c1613b40ddac6bcfc87b9c46e16a0b",
            },
        ),
        "test": Expected(
            10_000,
            {
                "image": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
                "label": "d51d859896c55775b9e9e219b77ff03bcec1b6ac322f313544dc3f9e7bc94fae",
            },
        ),
    },
)

_KMNIST = Recipe(
    name="kmnist",
    description="Kuzushiji-MNIST, cursive Hiragana: 70,000 images of 28 x 28 in ten classes.",
    homepage="http://codh.rois.ac.jp/kmnist/index.html.en",
    citation="Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha, Deep learning for classical Japanese "
    "literature, arXiv:1812.01718, 2018.",
    licence=_NOT_STATED,
    shape=(28, 28),
    labels=("label",),
    urls=_under("http://codh.rois.ac.jp/kmnist/dataset/kmnist/", _IDX_GZ),
    forms=(Form(_IDX_GZ, read_digits, originals=True),),
    splits={"train": Expected(60_000), "test": Expected(10_000)},
)

_CIFAR10 = Recipe(
    name="cifar10",
    description="Photographs of ten kinds of things: 60,000 images of 32 x 32 in three colours.",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    citation="Krizhevsky, Learning multiple layers of features from tiny images, University of Toronto, 2009.",
    licence=_NOT_STATED,
    shape=(32, 32, 3),
    labels=("label",),
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    forms=(Form(("cifar-10-binary.tar.gz",), read_cifar10, originals=True),),
    splits={"train": Expected(50_000), "test": Expected(10_000)},
)

_BINARIZED_MNIST = Recipe(
    name="binarized_mnist",
    description="Larochelle's fixed binarisation of MNIST: 70,000 images of 28 x 28 values 0 and 1.",
    homepage="http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    citation="Salakhutdinov and Murray, On the quantitative analysis of deep belief networks, ICML 2008.",
    licence=_NOT_STATED,
    shape=(28, 28),
    urls=_under("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/", _AMAT),
    forms=(Form(_AMAT, read_amat), Form(("binarized_mnist_packbits.npz",), read_packed)),
    splits={
        "train": Expected(50_000, {"image": "43490d4d6ac9002727af4426d8748609fdb7e4094fa65ad8d681ea60082a7a5a"}),
        "validation": Expected(10_000, {"image": "069b4f0beb389b776478c3e872b4df71c95ac4be64d7cbe6d32e24ebac8e6d5e"}),
        "test": Expected(10_000, {"image": "ca0294c3b8d984c7a1dc891015a8eea6f37bae59a34e35ea0fc8c47110a8dd86"}),
    },
)

_OMNIGLOT_28 = Recipe(
    name="omniglot",
    description="Handwritten characters of 50 alphabets: 32,460 drawings resized to 28 x 28, ink 255 on 0; "
    "the background set to train on, the evaluation set to test on.",
    homepage="https://github.com/brendenlake/omniglot",
    citation="Lake, Salakhutdinov and Tenenbaum, Human-level concept learning through probabilistic program induction, "
    "Science 350(6266), 2015.",
    licence="MIT",
    shape=(28, 28),
    labels=("label", "alphabet"),
    urls=_under("https://github.com/brendenlake/omniglot/raw/master/python/", _OMNIGLOT),
    # Pillow's releases round differently, so what is made of the archives is verified by the archives alone.
    forms=(
        Form(_OMNIGLOT, read_omniglot_zips, originals=True),
        Form(("omniglot28_lanczos.npz",), read_omniglot_npz),
    ),
    splits={
        "train": Expected(
            19_280,
            {
                "image": "262ce6c560a80102ae4ef5d75ee4be4b62091c32e81b15502260eb3c926ff9a6",
                "label": "770a15338d5e5169944e85264158653f08b0b323f9ee73c03e183ec4f005a053",
                "alphabet": "3dfc771fc671d395a04af84082fc59a4de25cc09f2c1c9eec825d3b0ed9088f9",
            },
        ),
        "test": Expected(
            13_180,
            {
                "image": "96f054108b52a8911429ef6604c4f20d99488f03faa6688c1a09cac5f1061591",
                "label": "754513afb8bccbb552083fa7c84a090861274c439f4134c8a9ace2ab73a3e622",
                "alphabet": "32590f6d76cd8e28ba5a553ae7a66327108f1420485b44872eae58a64f342824",
            },
        ),
    },
)

_FREY_FACES = Recipe(
    name="frey_faces",
    description="Brendan Frey's face in 1,965 frames of a video, 28 x 20 each.",
    homepage="http://www.cs.nyu.edu/~roweis/data.html",
    citation="Roweis, Saul and Hinton, Global coordination of local linear models, NIPS 2001.",
    licence=_NOT_STATED,
    shape=(28, 20),
    urls=("http://www.cs.nyu.edu/~roweis/data/frey_rawface.mat",),
    forms=(Form(("frey_rawface.mat",), read_frey_mat), Form(("freyfaces.npz",), read_frey_npz)),
    splits={"train": Expected(1_965, {"image": "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78"})},
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (_MNIST, _FASHION_MNIST, _KMNIST, _CIFAR10, _BINARIZED_MNIST, _OMNIGLOT_28, _FREY_FACES)
}
"""Every data set that is prepared here, by its name."""
