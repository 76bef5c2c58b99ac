/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "universegObjects.h"

#include "itkNNBackend.h"
#include "itkNNDeviceMemory.h"
#include "itkNNNetworkRunner.h"
#include "itkNNRegisterBackends.h"
#include "itkNNTensor.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <type_traits>

namespace
{
namespace nn = itk::nn;

struct TensorObject : UniverSegObject
{
  nn::Tensor tensor;
  int deviceIndex = 0;
};

nn::Device
GetDevice(const UniverSegTensor & tensor)
{
  nn::Device device;
  device.type = tensor.device == UNIVERSEG_CUDA ? nn::Device::Type::Cuda : nn::Device::Type::Cpu;
  device.index = tensor.device == UNIVERSEG_CUDA ? tensor.deviceIndex : 0;
  return device;
}

/** Null for the CPU. Throws Error when the device is not there. */
std::shared_ptr<nn::DeviceMemory>
GetMemory(const nn::Device & device, const std::string & backend = "auto", nn::DataType type = nn::DataType::Float32)
{
  nn::RegisterBackends();
  return nn::Backend::Select(backend, device, type).front()->GetDeviceMemory(device);
}

void
CheckTensor(const UniverSegTensor * tensor, const std::string & what)
{
  constexpr std::int32_t maximumRank = 5;
  if (tensor == nullptr || tensor->data == nullptr)
  {
    Fail("The tensor " + what + " has no memory");
  }
  if (tensor->device != UNIVERSEG_CPU && tensor->device != UNIVERSEG_CUDA)
  {
    Fail("The tensor " + what + " is on a device of the kind " + std::to_string(tensor->device) +
         "; should be UNIVERSEG_CPU or UNIVERSEG_CUDA");
  }
  if (tensor->rank < 1 || tensor->rank > maximumRank)
  {
    Fail("The tensor " + what + " has " + std::to_string(tensor->rank) + " axes; should have from 1 to 5");
  }
}

nn::Tensor
Wrap(const UniverSegTensor & tensor, const std::shared_ptr<nn::DeviceMemory> & memory)
{
  nn::Shape shape(tensor.shape, tensor.shape + tensor.rank);
  if (tensor.device == UNIVERSEG_CPU)
  {
    return nn::Tensor::Wrap(tensor.data, std::move(shape), nn::DataType::Float32);
  }
  // The caller's, who has it as long as the call lasts.
  const std::shared_ptr<void> borrowed(tensor.data, [](void *) {});
  return nn::Tensor::WrapDevice(borrowed, std::move(shape), nn::DataType::Float32, memory);
}

UniverSegObject *
MakeObject(const nn::Tensor & tensor, const nn::Device & device)
{
  auto object = std::make_unique<TensorObject>();
  object->deviceIndex = device.index;
  object->tensor = tensor;
  if (const auto & memory = tensor.GetDevice())
  {
    // Who gets the elements may read them with work that is still to be done when they are released.
    const auto kept = std::make_shared<nn::Tensor>(tensor);
    const std::shared_ptr<void> elements(kept, kept->GetRawData());
    object->tensor = nn::Tensor::WrapDevice(memory->Lend(elements), tensor.GetShape(), tensor.GetDataType(), memory);
  }
  return object.release();
}

UniverSegObject *
Predict(const itk::SegmentationModel & model,
        const std::map<std::string, const UniverSegTensor *> & given,
        const UniverSegComputation & computation)
{
  const auto network = model.GetNetwork();
  if (network->GetName() != "universeg")
  {
    Fail("The model's network is '" + network->GetName() + "'; should be 'universeg' to be run on tensors");
  }
  nn::PlanOptions options;
  options.backend = computation.backend;
  nn::SetComputation(options, computation.device, computation.precision);
  options.threads = computation.threads;
  const auto memory = GetMemory(options.device, options.backend, options.precision);

  nn::TensorMap inputs;
  std::set<void *> streams;
  for (const auto & [name, tensor] : given)
  {
    CheckTensor(tensor, name);
  }
  const std::int32_t kind = given.at("target")->device;
  for (const auto & [name, tensor] : given)
  {
    const nn::Device device = GetDevice(*tensor);
    if (tensor->device != kind || (kind == UNIVERSEG_CUDA && !(device == options.device)))
    {
      Fail("The tensor " + name + " is on " + device.ToText() + "; should be on " +
           (kind == UNIVERSEG_CUDA ? options.device : nn::Device{}).ToText());
    }
    inputs[name] = Wrap(*tensor, memory);
    if (kind == UNIVERSEG_CUDA)
    {
      options.residentInputs.push_back(name);
      options.keepOutputsOnDevice = true;
      streams.insert(tensor->stream);
    }
  }
  streams.erase(nullptr);
  for (void * stream : streams)
  {
    memory->WaitForOthers(stream);
  }
  const nn::TensorMap outputs = model.GetRunner(options)->Run(inputs);
  return MakeObject(outputs.at("logits").To(nn::DataType::Float32), options.device);
}

/** The C interface of DLPack (https://dmlc.github.io/dlpack), version 1.0. */
namespace dlpack
{
struct Tensor
{
  void * data;
  std::int32_t device;
  std::int32_t deviceIndex;
  std::int32_t rank;
  std::uint8_t typeCode;
  std::uint8_t typeBits;
  std::uint16_t typeLanes;
  std::int64_t * shape;
  std::int64_t * strides;
  std::uint64_t byteOffset;
};

struct Managed
{
  static constexpr const char * name = "dltensor";

  Tensor tensor;
  void * context;
  void (*deleter)(Managed *);
};

struct ManagedWithVersion
{
  static constexpr const char * name = "dltensor_versioned";

  std::uint32_t major;
  std::uint32_t minor;
  void * context;
  void (*deleter)(ManagedWithVersion *);
  std::uint64_t flags;
  Tensor tensor;
};
} // namespace dlpack

/** What a capsule of either kind points to, and the elements that it keeps. */
template <typename TManaged>
struct Exported
{
  TManaged managed{};
  nn::Tensor tensor;
  nn::Shape shape;
  nn::Shape strides;
};

UniverSegCapsules &
GetCapsules()
{
  static UniverSegCapsules capsules{};
  return capsules;
}

template <typename TManaged>
void
DestroyCapsule(void * capsule)
{
  // Who took the elements renamed it, and calls the deleter.
  const UniverSegCapsules & capsules = GetCapsules();
  if (capsules.isValid(capsule, TManaged::name) != 0)
  {
    auto * managed = static_cast<TManaged *>(capsules.getPointer(capsule, TManaged::name));
    managed->deleter(managed);
  }
}

template <typename TManaged>
void *
MakeCapsule(const TensorObject & object)
{
  constexpr std::uint8_t floatingPoint = 2;
  auto exported = std::make_unique<Exported<TManaged>>();
  exported->tensor = object.tensor;
  exported->shape = object.tensor.GetShape();
  exported->strides = object.tensor.GetStrides();
  TManaged & managed = exported->managed;
  managed.tensor.data = exported->tensor.GetRawData();
  managed.tensor.device = exported->tensor.IsOnDevice() ? UNIVERSEG_CUDA : UNIVERSEG_CPU;
  managed.tensor.deviceIndex = object.deviceIndex;
  managed.tensor.rank = exported->tensor.GetRank();
  managed.tensor.typeCode = floatingPoint;
  managed.tensor.typeBits = 32;
  managed.tensor.typeLanes = 1;
  managed.tensor.shape = exported->shape.data();
  managed.tensor.strides = exported->strides.data();
  managed.context = exported.get();
  managed.deleter = [](TManaged * self) { delete static_cast<Exported<TManaged> *>(self->context); };
  if constexpr (std::is_same<TManaged, dlpack::ManagedWithVersion>::value)
  {
    managed.major = 1;
  }
  void * capsule = GetCapsules().make(&managed, TManaged::name, &DestroyCapsule<TManaged>);
  if (capsule == nullptr)
  {
    Fail("Python made no capsule");
  }
  static_cast<void>(exported.release());
  return capsule;
}
} // namespace

UniverSegObject *
universeg_predict(UniverSegObject * model,
                  const UniverSegTensor * target,
                  const UniverSegTensor * supportImages,
                  const UniverSegTensor * supportLabels,
                  const UniverSegComputation * computation)
{
  return Guard(static_cast<UniverSegObject *>(nullptr),
               [&]
               {
                 return Predict(
                   *Get<ModelObject>(model, "model").model,
                   { { "target", target }, { "support_images", supportImages }, { "support_labels", supportLabels } },
                   *computation);
               });
}

UniverSegObject *
universeg_tensor_copy(const UniverSegTensor * tensor, const char * device)
{
  return Guard(static_cast<UniverSegObject *>(nullptr),
               [&]
               {
                 CheckTensor(tensor, "to copy");
                 const nn::Device to = nn::Device::FromString(device);
                 const auto memory = GetMemory(to);
                 const nn::Tensor given = Wrap(*tensor, GetMemory(GetDevice(*tensor)));
                 if (given.IsOnDevice() && tensor->stream != nullptr)
                 {
                   given.GetDevice()->WaitForOthers(tensor->stream);
                 }
                 const nn::Tensor own = given.GetDevice() == memory ? given.Clone() : given;
                 const nn::Tensor copy = memory ? own.ToDevice(memory) : own.ToHost();
                 return MakeObject(copy, to);
               });
}

std::int32_t
universeg_tensor_view(UniverSegObject * object, UniverSegTensor * view)
{
  return Guard(0,
               [&]
               {
                 auto & own = Get<TensorObject>(object, "tensor");
                 const nn::Shape & shape = own.tensor.GetShape();
                 *view = UniverSegTensor{};
                 view->data = own.tensor.GetRawData();
                 std::copy(shape.begin(), shape.end(), view->shape);
                 view->rank = own.tensor.GetRank();
                 view->device = own.tensor.IsOnDevice() ? UNIVERSEG_CUDA : UNIVERSEG_CPU;
                 view->deviceIndex = own.deviceIndex;
                 return 1;
               });
}

std::int32_t
universeg_find_device(const void * address)
{
  return Guard(-1,
               [&]
               {
                 nn::RegisterBackends();
                 std::string reason = "no backend serves CUDA devices";
                 for (const auto & backend : nn::Backend::GetRegistered())
                 {
                   nn::Device device;
                   device.type = nn::Device::Type::Cuda;
                   if (backend->GetDeviceType() != device.type)
                   {
                     continue;
                   }
                   for (;; ++device.index)
                   {
                     reason = backend->GetUnavailableReason(device, nn::DataType::Float32);
                     if (!reason.empty())
                     {
                       break;
                     }
                     if (backend->GetDeviceMemory(device)->Contains(address))
                     {
                       return device.index;
                     }
                   }
                 }
                 Fail("The address is in the memory of no CUDA device: " + reason);
               });
}

void *
universeg_tensor_capsule(UniverSegObject * object, std::int32_t hasVersion, const UniverSegCapsules * capsules)
{
  return Guard(static_cast<void *>(nullptr),
               [&]
               {
                 GetCapsules() = *capsules;
                 const auto & tensor = Get<TensorObject>(object, "tensor");
                 return hasVersion != 0 ? MakeCapsule<dlpack::ManagedWithVersion>(tensor)
                                        : MakeCapsule<dlpack::Managed>(tensor);
               });
}
