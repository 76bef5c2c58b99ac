# ==========================================================================
#
#   Copyright itk-universeg developers
#
#   Licensed under the Apache License, Version 2.0 (the "License");
#   you may not use this file except in compliance with the License.
#   You may obtain a copy of the License at
#
#          https://www.apache.org/licenses/LICENSE-2.0.txt
#
#   Unless required by applicable law or agreed to in writing, software
#   distributed under the License is distributed on an "AS IS" BASIS,
#   WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
#   See the License for the specific language governing permissions and
#   limitations under the License.
#
# ==========================================================================*/
"""Models that are called with tensors.

Needs NumPy alone, so that it runs on a build without a wheel: ``python -m unittest
test_tensors``. torch's part needs torch, that of a device the library of one, or of an
emulated one, in UNIVERSEG_CUDA_LIBRARY.
"""

import ast
import ctypes
import gc
import importlib
import inspect
import json
import os
import subprocess
import sys
import unittest
import warnings

import itk_universeg
import numpy as np

LIBRARY = os.environ.get("UNIVERSEG_CUDA_LIBRARY", "")
ROOT = os.environ.get("UNIVERSEG_ROOT", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
GOLDEN = os.path.join(ROOT, "Testing", "Goldens", "universeg", "a_tiny")
NAMES = ("target", "support_images", "support_labels")
CPU, CUDA = (1, 0), (2, 0)


def read_safetensors(path):
    types = {"F32": np.float32, "F64": np.float64, "U8": np.uint8}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", ctypes.c_int32 * 2),
        ("ndim", ctypes.c_int32),
        ("dtype", ctypes.c_uint8 * 2),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Old(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", Deleter)]


class New(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", DLTensor),
    ]


new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)


class Producer:
    """A tensor of a package that there is not, with or without versions of DLPack."""

    def __init__(self, address, shape, *, device=CPU, version=None, strides=None, dtype=(2, 32), offset=0, lanes=1):
        self.form = New if version else Old
        self.managed = self.form()
        self.shape, self.strides = (ctypes.c_int64 * 5)(*shape), (ctypes.c_int64 * 5)(*(strides or ()))
        tensor = self.managed.tensor
        tensor.data, tensor.device[:], tensor.ndim, tensor.dtype[:] = address, device, len(shape), dtype
        tensor.lanes, tensor.byte_offset = lanes, offset
        tensor.shape = self.shape
        if strides:
            tensor.strides = self.strides
        if version:
            self.managed.major = version
        self.managed.deleter = Deleter(self._delete)
        self.device, self.deleted, self.streams, self.capsules = device, [], [], 0

    def _delete(self, address):
        self.deleted.append(address == ctypes.addressof(self.managed))

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **options):
        if self.form is Old and "max_version" in options:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        self.streams.append(options.get("stream"))
        self.capsules += 1
        return new_capsule(
            ctypes.addressof(self.managed), b"dltensor_versioned" if self.form is New else b"dltensor", None
        )


class Interface:
    """An object with CUDA's array interface and nothing else."""

    def __init__(self, tensor, **changes):
        self.tensor = tensor
        self.__cuda_array_interface__ = {**tensor.__cuda_array_interface__, **changes}


class ModelCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.path.isdir(GOLDEN):
            raise unittest.SkipTest(f"{GOLDEN} does not exist: UNIVERSEG_ROOT should name the source tree")
        cls.model = itk_universeg.model(os.path.join(GOLDEN, "weights.safetensors"))
        cls.golden = read_safetensors(os.path.join(GOLDEN, "io.safetensors"))
        cls.inputs = [cls.golden[name] for name in NAMES]

    def expect(self, logits, tolerance=1e-5, expected=None):
        expected = self.golden["logits_f64"] if expected is None else expected
        self.assertEqual(logits.shape, expected.shape)
        self.assertLess(np.abs(logits - expected).max(), tolerance)


class TensorsOfTheCpu(ModelCase):
    def test_values_are_those_of_the_reference(self):
        logits = self.model(*self.inputs)
        self.assertIs(type(logits), np.ndarray)
        self.assertEqual(logits.dtype, np.float32)
        self.expect(logits)
        self.expect(self.model(*self.inputs, backend="reference", precision="float64"), 1e-6)
        self.expect(self.model(*self.inputs, device="cpu", threads=1))
        logits += 1

    def test_values_are_not_normalised(self):
        target, images, labels = self.inputs
        brighter = self.model(2 * target, images, labels)
        self.assertGreater(np.abs(brighter - self.golden["logits"]).max(), 1e-2)

    def test_one_support_set_for_a_batch(self):
        target, images, labels = self.inputs
        batch = np.concatenate([target, target[..., ::-1]])
        logits = self.model(batch, images, labels)
        self.expect(logits[:1])
        each = self.model(batch, np.concatenate([images] * 2), np.concatenate([labels] * 2))
        self.expect(each, 1e-5, logits)

    def test_arrays_in_any_layout(self):
        target, images, labels = self.inputs
        flipped = np.ascontiguousarray(images[..., ::-1])[..., ::-1]
        self.assertFalse(flipped.flags.c_contiguous)
        self.expect(self.model(np.asfortranarray(target), flipped, labels))

    def test_results_stay_when_everything_else_is_gone(self):
        logits = self.model(*self.inputs)
        copy = logits.copy()
        kept = [self.model(0 * self.inputs[0], *self.inputs[1:]) for _ in range(5)]
        gc.collect()
        self.assertTrue(np.array_equal(logits, copy) and len(kept) == 5)

    def test_producers_of_every_version(self):
        target, images, labels = (np.array(each) for each in self.inputs)
        for version in (None, 1):
            with self.subTest(version=version):
                producers = [
                    Producer(each.ctypes.data, each.shape, version=version) for each in (target, images, labels)
                ]
                self.expect(self.model(*producers))
                for producer in producers:
                    self.assertEqual((producer.capsules, producer.deleted), (1, [True]))
                    self.assertEqual(producer.streams, [None])

    def test_strides_and_offsets_of_a_producer(self):
        target, images, labels = self.inputs
        wide = np.zeros((32, 70), np.float32)
        wide[:, 2:66:2] = target[0, 0]
        producer = Producer(wide.ctypes.data, target.shape, version=1, strides=(1, 1, 70, 2), offset=8)
        self.expect(self.model(producer, images, labels))
        self.assertEqual(producer.deleted, [True])

    def test_what_was_borrowed_is_given_back_on_errors(self):
        target, images, labels = (np.array(each) for each in self.inputs)

        def lend(array, **options):
            return Producer(array.ctypes.data, array.shape, **options)

        cases = [
            (lend(target), lend(images), object(), TypeError, "labels is of type object"),
            (lend(target), lend(images), labels[:, :2], ValueError, r"\(1, 2, 1, 32, 32\).*\[1, 3, 1, 32, 32\]"),
            (lend(target, dtype=(2, 64)), images, labels, TypeError, "target holds float64; it should hold float32"),
            (lend(target, dtype=(4, 16)), images, labels, TypeError, "target holds bfloat16"),
            (lend(target, lanes=4), images, labels, TypeError, "target holds float32x4"),
            (lend(target, version=2), images, labels, BufferError, "version 2 of DLPack; it should be of version 1"),
            (lend(target), lend(images), lend(labels[:, :, :, :31]), ValueError, "31"),
        ]
        for *tensors, error, message in cases:
            with self.subTest(message):
                with self.assertRaisesRegex(error, message):
                    self.model(*tensors)
                for tensor in tensors:
                    if isinstance(tensor, Producer):
                        self.assertEqual(tensor.deleted, [True])
        with self.assertRaisesRegex(RuntimeError, "float8"):
            producer = lend(target)
            self.model(producer, images, labels, precision="float8")
        self.assertEqual(producer.deleted, [True])

    def test_errors(self):
        target, images, labels = self.inputs
        cases = [
            (
                (target[0], images, labels),
                {},
                ValueError,
                r"target has shape \(1, 32, 32\); it should be \[B, 1, H, W\]",
            ),
            ((np.concatenate([target] * 3, 1), images, labels), {}, ValueError, r"target has shape \(1, 3, 32, 32\)"),
            ((target, images[0], labels), {}, ValueError, r"support_images has shape \(3, 1, 32, 32\); it should be"),
            ((target, images, images[..., :16]), {}, ValueError, r"support_labels .*\[1, 3, 1, 32, 32\]"),
            ((np.concatenate([target] * 3), images, labels[[0, 0]]), {}, ValueError, r"should be \[3 or 1, 3, 1, 32"),
            ((target, images[:, :0], labels[:, :0]), {}, ValueError, "support_images has no elements"),
            ((target.astype(np.float64), images, labels), {}, TypeError, "target holds <f8; it should hold float32"),
            ((target.astype(">f4"), images, labels), {}, TypeError, "target holds >f4"),
            ((target, images, labels.astype(bool)), {}, TypeError, r"support_labels holds \|b1"),
            ((target.tolist(), images, labels), {}, TypeError, "target is of type list; it should have __dlpack__"),
            ((Producer(1, target.shape, device=(10, 0)), images, labels), {}, TypeError, "kind 10"),
            ((target[..., :31, :], images[..., :31, :], labels[..., :31, :]), {}, RuntimeError, "31.*multiples of 2"),
            ((target, images, labels), {"device": "tape"}, RuntimeError, "tape"),
            ((target, images, labels), {"backend": "abacus"}, RuntimeError, "abacus"),
            ((target, images, labels), {"precision": "bfloat16"}, RuntimeError, "bfloat16"),
            ((target, images, labels), {"threads": 0}, ValueError, "threads is 0"),
        ]
        for tensors, options, error, message in cases:
            with self.subTest(message):
                with self.assertRaisesRegex(error, message):
                    self.model(*tensors, **options)

    def test_plans_are_kept(self):
        # A plan writes lines when it is made, and others when it is run.
        code = (
            "import sys, numpy as np, itk_universeg\n"
            "model = itk_universeg.model(sys.argv[1])\n"
            "x = np.zeros((1, 2, 1, 16, 16), np.float32)\n"
            "for _ in range(3):\n"
            "    model(x[:, 0], x, x)\n"
            "    print('called', file=sys.stderr, flush=True)\n"
        )
        run = subprocess.run(
            [sys.executable, "-c", code, os.path.join(GOLDEN, "weights.safetensors")],
            env={**os.environ, "UNIVERSEG_VERBOSE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        first, *others = run.stderr.split("called\n")[:3]
        self.assertIn("universeg,plan,", first)
        for other in others:
            self.assertIn("universeg,exec,", other)
            self.assertNotIn("universeg,plan,", other)

    def test_capsules_are_those_of_other_packages(self):
        # Of the CPU, since NumPy takes no others.
        with itk_universeg._tensors._borrow(self.inputs[1], "array") as borrowed:
            tensor = itk_universeg.DeviceTensor._of(itk_universeg._native.copy(borrowed.native(), "cpu"))
        taken = np.from_dlpack(tensor)
        copied = self.inputs[1].copy()
        del tensor, borrowed
        gc.collect()
        self.assertEqual((taken.shape, taken.dtype), (copied.shape, np.float32))
        self.assertTrue(np.array_equal(taken, copied))

    def test_stubs_match(self):
        with open(os.path.join(os.path.dirname(itk_universeg.__file__), "__init__.pyi")) as file:
            classes = {node.name: node for node in ast.parse(file.read()).body if isinstance(node, ast.ClassDef)}
        for name in ("Model", "DeviceTensor"):
            for stub in classes[name].body:
                if isinstance(stub, ast.FunctionDef):
                    real = inspect.getattr_static(getattr(itk_universeg, name), stub.name)
                    arguments = [each.arg for each in stub.args.args + stub.args.kwonlyargs]
                    real = real.fget if isinstance(real, property) else real
                    self.assertEqual(arguments, list(inspect.signature(real).parameters), stub.name)

    def test_names_that_are_there(self):
        self.assertIn("DeviceTensor", dir(itk_universeg))
        for name in ("target", "support_images", "support_labels", "device", "backend", "precision", "threads"):
            self.assertIn(name, itk_universeg.Model.__call__.__doc__)


class TensorsOfTorch(ModelCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                cls.torch = importlib.import_module("torch")
            except ModuleNotFoundError as error:
                raise unittest.SkipTest(f"{error.name} is not installed")
        cls.tensors = [cls.torch.from_numpy(each.copy()) for each in cls.inputs]

    def test_the_result_is_of_torch(self):
        logits = self.model(*self.tensors)
        self.assertIs(type(logits), self.torch.Tensor)
        self.assertEqual((logits.dtype, logits.device.type), (self.torch.float32, "cpu"))
        self.expect(logits.numpy())
        self.assertFalse(logits.requires_grad)
        logits.add_(1)

    def test_the_target_decides(self):
        self.assertIs(type(self.model(self.inputs[0], *self.tensors[1:])), np.ndarray)
        self.assertIs(type(self.model(self.tensors[0], *self.inputs[1:])), self.torch.Tensor)

    def test_torch_takes_capsules(self):
        with itk_universeg._tensors._borrow(self.inputs[1], "array") as borrowed:
            tensor = itk_universeg.DeviceTensor._of(itk_universeg._native.copy(borrowed.native(), "cpu"))
        taken = self.torch.from_dlpack(tensor)
        del tensor
        gc.collect()
        self.assertTrue(np.array_equal(taken.numpy(), self.inputs[1]))

    def test_views(self):
        target, images, labels = self.tensors
        self.expect(self.model(target.transpose(2, 3).contiguous().transpose(2, 3), images, labels).numpy())

    def test_what_requires_a_gradient_is_refused(self):
        target, images, labels = self.tensors
        with self.assertRaisesRegex((BufferError, RuntimeError), "grad"):
            self.model(target.clone().requires_grad_(), images, labels)
        with self.assertRaisesRegex(TypeError, "target holds bfloat16; it should hold float32"):
            self.model(target.bfloat16(), images, labels)


@unittest.skipUnless(LIBRARY and "emulation" not in LIBRARY, "there is no device, or an emulated one")
class TensorsOfTorchOnADevice(TensorsOfTorch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not cls.torch.cuda.is_available():
            raise unittest.SkipTest("this torch has no device")
        cls.tensors = [each.cuda() for each in cls.tensors]

    def test_the_result_is_of_torch(self):
        logits = self.model(*self.tensors)
        self.assertIs(type(logits), self.torch.Tensor)
        self.assertEqual((logits.dtype, logits.device), (self.torch.float32, self.tensors[0].device))
        self.expect(logits.cpu().numpy(), 1e-4)

    def test_the_target_decides(self):
        target, images, labels = map(Interface, self.tensors)
        self.assertIs(type(self.model(target, *self.tensors[1:])), itk_universeg.DeviceTensor)
        self.assertIs(type(self.model(self.tensors[0], images, labels)), self.torch.Tensor)

    def test_views(self):
        target, images, labels = self.tensors
        with self.assertRaisesRegex(ValueError, "should be contiguous"):
            self.model(target.transpose(2, 3).contiguous().transpose(2, 3), images, labels)

    def zero_after_a_while(self):
        """0 that is there when much work of the current stream is done."""
        square = self.torch.rand(4096, 4096, device="cuda")
        product = square
        for _ in range(20):
            product = product @ square / 4096
        return 0 * product[0, 0]

    def test_work_of_streams_is_waited_for(self):
        target, images, labels = self.tensors
        for stream in (self.torch.cuda.current_stream(), self.torch.cuda.Stream()):
            self.torch.cuda.synchronize()
            with self.torch.cuda.stream(stream):
                late = self.torch.full_like(target, float("nan"))
                late.copy_(target + self.zero_after_a_while())
                self.expect(self.model(late, images, labels).cpu().numpy(), 1e-4)

    def test_memory_is_used_again_behind_work_of_others(self):
        stream = self.torch.cuda.Stream()
        for _ in range(3):
            logits = self.model(*self.tensors)
            with self.torch.cuda.stream(stream):
                copy = logits + self.zero_after_a_while()
            del logits
            self.model(0 * self.tensors[0], *self.tensors[1:])
            stream.synchronize()
            self.expect(copy.cpu().numpy(), 1e-4)


@unittest.skipUnless(LIBRARY, "UNIVERSEG_CUDA_LIBRARY names no library of a device")
class TensorsOfADevice(ModelCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.tensors = [itk_universeg.DeviceTensor(each) for each in cls.inputs]
        except RuntimeError as error:
            raise unittest.SkipTest(str(error))

    def test_copies_to_a_device_and_back(self):
        tensor = itk_universeg.DeviceTensor(self.inputs[1], "cuda:0")
        self.assertEqual((tensor.shape, tensor.dtype, tensor.device), ((1, 3, 1, 32, 32), np.float32, "cuda:0"))
        self.assertTrue(np.array_equal(tensor.numpy(), self.inputs[1]))
        self.assertIn("(1, 3, 1, 32, 32) on cuda:0", repr(tensor))
        with self.assertRaisesRegex(ValueError, "device is 'cpu'; it should be 'cuda'"):
            itk_universeg.DeviceTensor(self.inputs[0], "cpu")
        with self.assertRaisesRegex(ValueError, "on cuda:0; it should be on the CPU"):
            itk_universeg.DeviceTensor(tensor)
        with self.assertRaisesRegex(ValueError, r"from 1 to 5 axes"):
            itk_universeg.DeviceTensor(np.zeros((1,) * 6, np.float32))
        with self.assertRaisesRegex(RuntimeError, "cuda:99"):
            itk_universeg.DeviceTensor(self.inputs[0], "cuda:99")

    def test_arrays_are_copied_there_and_back(self):
        for device in ("cuda", "cuda:0", "auto"):
            logits = self.model(*self.inputs, device=device)
            self.assertIs(type(logits), np.ndarray)
            self.expect(logits, 1e-4)

    def test_results_stay_there(self):
        for _ in range(4):
            logits = self.model(*self.tensors)
            self.assertIs(type(logits), itk_universeg.DeviceTensor)
            self.assertEqual((logits.shape, logits.device), ((1, 1, 32, 32), "cuda:0"))
            self.expect(logits.numpy(), 1e-4)
        for device in ("cuda", "cuda:0", "auto"):
            self.assertEqual(self.model(*self.tensors, device=device).device, "cuda:0")

    def test_results_go_into_the_next_call(self):
        target, images, labels = self.tensors
        first = self.model(target, images, labels)
        second = self.model(first, images, labels)
        del first
        expected = self.model(self.model(*self.inputs), *self.inputs[1:])
        self.expect(second.numpy(), 1e-4, expected)

    def test_precisions(self):
        for precision, tolerance in (("float64", 1e-6), ("tf32", 2e-2), ("float16", 2e-2), ("bfloat16", 1e-1)):
            with self.subTest(precision):
                logits = self.model(*self.tensors, precision=precision)
                self.assertEqual(logits.dtype, np.float32)
                self.expect(logits.numpy(), tolerance)

    def test_a_producer_is_read_where_it_is(self):
        addresses = [each.__cuda_array_interface__["data"][0] for each in self.tensors]
        producers = [
            Producer(address, each.shape, device=CUDA, version=1) for address, each in zip(addresses, self.tensors)
        ]
        self.expect(self.model(*producers).numpy(), 1e-4)
        for producer in producers:
            self.assertEqual((producer.deleted, producer.streams), ([True], [1]))
        if "emulation" in LIBRARY:
            # An emulated device's memory is the host's: it is written to behind the library's back.
            target = np.ctypeslib.as_array((ctypes.c_float * 1024).from_address(addresses[0]))
            before = target.copy()
            target *= 0.5
            changed = self.model(*producers).numpy()
            target[:] = before
            expected = self.model(0.5 * self.inputs[0], *self.inputs[1:])
            self.expect(changed, 1e-4, expected)

    def test_a_tensor_that_begins_anywhere(self):
        target, images, labels = self.tensors
        for shift in (1, 3):
            shifted = itk_universeg.DeviceTensor(np.concatenate([np.zeros(shift), self.inputs[0].ravel()]).astype("f4"))
            address = shifted.__cuda_array_interface__["data"][0]
            producer = Producer(address, target.shape, device=CUDA, offset=4 * shift)
            self.expect(self.model(producer, images, labels).numpy(), 1e-4)

    def test_cuda_array_interface(self):
        target, images, labels = self.tensors
        logits = self.model(Interface(target), Interface(images, stream=1), Interface(labels, version=2))
        self.assertIs(type(logits), itk_universeg.DeviceTensor)
        self.expect(logits.numpy(), 1e-4)
        for changes, error, message in (
            ({"stream": 0}, ValueError, "stream 0"),
            ({"mask": target}, ValueError, "mask"),
            ({"typestr": "<f2"}, TypeError, "target holds <f2"),
            ({"data": (4096, False)}, RuntimeError, "memory of no CUDA device"),
            ({"strides": (4096, 4096, 4, 128)}, ValueError, r"strides of \(4096, 4096, 4, 128\) bytes"),
        ):
            with self.subTest(changes):
                with self.assertRaisesRegex(error, message):
                    self.model(Interface(target, **changes), images, labels)
        self.expect(self.model(Interface(target, strides=(1, 1, 128, 4)), images, labels).numpy(), 1e-4)
        if "emulation" in LIBRARY:
            with self.assertRaisesRegex(RuntimeError, "A stream of others on cuda:0: there is no stream 12345"):
                self.model(Interface(target, stream=12345), images, labels)

    def test_errors_of_places(self):
        target, images, labels = self.tensors
        with self.assertRaisesRegex(ValueError, "support_images is on cpu and the target on cuda:0"):
            self.model(target, self.inputs[1], labels)
        with self.assertRaisesRegex(ValueError, "device is 'cpu', but the tensors are on cuda:0"):
            self.model(target, images, labels, device="cpu")
        with self.assertRaisesRegex(ValueError, "device is 'cuda:1', but the tensors are on cuda:0"):
            self.model(target, images, labels, device="cuda:1")
        address = target.__cuda_array_interface__["data"][0]
        other = Producer(address, target.shape, device=(2, 1))
        with self.assertRaisesRegex(ValueError, "support_images is on cuda:0 and the target on cuda:1"):
            self.model(other, images, labels)
        self.assertEqual(other.deleted, [True])
        crossed = Producer(address, target.shape, device=CUDA, strides=(1024, 1024, 1, 32))
        with self.assertRaisesRegex(ValueError, "strides of .* it should be contiguous"):
            self.model(crossed, images, labels)
        self.assertEqual(crossed.deleted, [True])

    @unittest.skipUnless("emulation" in LIBRARY, "there may be one device only")
    def test_a_second_device(self):
        tensors = [itk_universeg.DeviceTensor(each, "cuda:1") for each in self.inputs]
        logits = self.model(*tensors)
        self.assertEqual(logits.__dlpack_device__(), (2, 1))
        self.expect(logits.numpy(), 1e-4)
        self.assertEqual(self.model(*map(Interface, tensors)).device, "cuda:1")

    def test_capsules(self):
        name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
        pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
            ("PyCapsule_GetPointer", ctypes.pythonapi)
        )
        set_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
            ("PyCapsule_SetName", ctypes.pythonapi)
        )
        tensor = itk_universeg.DeviceTensor(self.inputs[1])
        address = tensor.__cuda_array_interface__["data"][0]
        for options, form, expected, used in (
            ({}, Old, b"dltensor", b"used_dltensor"),
            ({"stream": 1, "max_version": (0, 8)}, Old, b"dltensor", b"used_dltensor"),
            ({"stream": 7, "max_version": (1, 1)}, New, b"dltensor_versioned", b"used_dltensor_versioned"),
        ):
            capsule = tensor.__dlpack__(**options)
            self.assertEqual(name(capsule), expected)
            managed = form.from_address(pointer(capsule, expected))
            inner = managed.tensor
            self.assertEqual((inner.data, tuple(inner.device), inner.ndim), (address, CUDA, 5))
            self.assertEqual((tuple(inner.dtype), inner.lanes, inner.byte_offset), ((2, 32), 1, 0))
            self.assertEqual((inner.shape[:5], inner.strides[:5]), ([1, 3, 1, 32, 32], [3072, 1024, 1024, 32, 1]))
            if form is New:
                self.assertEqual((managed.major, managed.flags), (1, 0))
            # As one who takes the elements.
            set_name(capsule, used)
            address_of_managed = ctypes.addressof(managed)
            del capsule
            managed.deleter(address_of_managed)
        self.assertTrue(np.array_equal(tensor.numpy(), self.inputs[1]))
        for options, message in (({"dl_device": (1, 0)}, "goes to no other device"), ({"copy": True}, "makes no copy")):
            with self.assertRaisesRegex(BufferError, message):
                tensor.__dlpack__(**options)
        self.assertEqual(name(tensor.__dlpack__(dl_device=(2, 0), copy=False)), b"dltensor")

    def test_elements_stay_as_long_as_a_capsule(self):
        # What is released is used for the next of the same size.
        size = 300000
        tensor = itk_universeg.DeviceTensor(np.full(size, 3, np.float32))
        address = tensor.__cuda_array_interface__["data"][0]
        capsule = tensor.__dlpack__(max_version=(1, 0))
        del tensor
        others = [itk_universeg.DeviceTensor(np.zeros(size, np.float32)) for _ in range(3)]
        self.assertNotIn(address, [other.__cuda_array_interface__["data"][0] for other in others])
        del capsule
        others += [itk_universeg.DeviceTensor(np.zeros(size, np.float32)) for _ in range(3)]
        self.assertIn(address, [other.__cuda_array_interface__["data"][0] for other in others])

    def test_capsules_outlive_the_interpreter(self):
        code = (
            "import numpy as np, itk_universeg, sys\n"
            "tensor = itk_universeg.DeviceTensor(np.ones(8, np.float32))\n"
            "kept = [tensor.__dlpack__(), tensor.__dlpack__(max_version=(1, 0)), tensor]\n"
            "sys.kept = [tensor.__dlpack__(max_version=(1, 0)), kept]\n"
            "kept.append(kept)\n"
            "print('ends')\n"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "ends\n", ""))


if __name__ == "__main__":
    unittest.main()
