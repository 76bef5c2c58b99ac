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
#ifndef itkNNBackend_h
#define itkNNBackend_h

#include "UniverSegCoreExport.h"
#include "itkNNDevice.h"
#include "itkNNDeviceMemory.h"
#include "itkNNLayout.h"
#include "itkNNOperator.h"
#include "itkNNTensor.h"
#include "itkObject.h"
#include "itkObjectFactoryBase.h"
#include "itkVersion.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace itk
{
namespace nn
{
/** \class WeightCache
 * \brief Weights in the forms that kernels want, shared by the plans of a model.
 *
 * Safe to use from several threads.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT WeightCache
{
public:
  /** The memory stored under the key; made by fill() the first time.
   * \param device null, or where the memory is; fill() writes to the host's. */
  std::shared_ptr<const void> GetOrCreate(const std::string & key,
                                          std::size_t bytes,
                                          const std::function<void(void *)> & fill,
                                          DeviceMemory * device = nullptr);

  /** Bytes of all stored forms. */
  std::size_t GetNumberOfBytes() const;

private:
  mutable std::mutex m_Mutex;
  std::unordered_map<std::string, std::shared_ptr<const void>> m_Entries;
  std::size_t m_Bytes = 0;
};

/** An input of an operator as the plan knows it so far. */
struct Operand
{
  ValueType type;
  Layout layout;    ///< as the value lies in memory when nothing is reordered
  Tensor constant;  ///< contiguous elements of a parameter or constant; undefined otherwise
  std::string name; ///< of a parameter: the key of its packed forms; empty otherwise

  bool IsConstant() const
  {
    return constant.IsDefined();
  }
};

/** One operator to be implemented. */
struct OperatorCase
{
  const Operator & op;
  std::vector<Operand> inputs;
  ValueType output;
  unsigned int threads = 1;
  WeightCache * weights = nullptr; ///< never null in a plan
  DeviceMemory * device = nullptr; ///< null on the host
  bool allowTensorFloat32 = false; ///< as of PlanOptions
  bool deterministic = false;
};

/** Memory of one execution, all of it the device's. Inputs of constants point to
 * their plain elements when ReadsInput() is true. */
struct KernelArguments
{
  std::vector<const void *> inputs;
  void * output = nullptr;
  void * scratch = nullptr;        ///< GetScratchBytes() bytes, aligned to 64
  std::vector<void *> moreOutputs; ///< of a loop: the results behind the first
  /** Null, or to be called now and then, in the thread that called Execute() only,
   * with the part done; false: stop, the results do not matter. */
  const std::function<bool(double)> * progress = nullptr;
  DeviceStream * stream = nullptr; ///< of a device: where the work is to be put
};

/** \class Kernel
 * \brief One operator of one plan, ready to run. Execute() may be called from
 * several threads at once with different arguments.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT Kernel
{
public:
  Kernel() = default;
  virtual ~Kernel();
  Kernel(const Kernel &) = delete;
  Kernel & operator=(const Kernel &) = delete;

  virtual std::size_t GetScratchBytes() const
  {
    return 0;
  }
  /** Whether Execute() reads an input. One that is a constant and has been packed
   * need not stay in memory: its pointer may be null. */
  virtual bool ReadsInput(std::size_t input) const
  {
    static_cast<void>(input);
    return true;
  }
  virtual void Execute(const KernelArguments & arguments) const = 0;
};

/** \class FunctionKernel
 * \brief A kernel from a callable.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT FunctionKernel : public Kernel
{
public:
  using FunctionType = std::function<void(const KernelArguments &)>;

  explicit FunctionKernel(FunctionType function, std::size_t scratchBytes = 0);
  ~FunctionKernel() override;
  std::size_t GetScratchBytes() const override
  {
    return m_ScratchBytes;
  }
  void Execute(const KernelArguments & arguments) const override
  {
    m_Function(arguments);
  }

private:
  FunctionType m_Function;
  std::size_t m_ScratchBytes;
};

/** \class Proposal
 * \brief An implementation's answer to an operator case: a kernel and what it
 * asks for, or the reason why not.
 * \ingroup UniverSegCore
 */
struct UniverSegCore_EXPORT Proposal
{
  std::string reason;               ///< not empty: not supported
  std::unique_ptr<Kernel> kernel;   ///< null when the output is an alias
  std::vector<Layout> inputLayouts; ///< the plan reorders to them; empty: all plain. Constants are never reordered
  Layout outputLayout;
  int aliasOfInput = -1; ///< the output is that input's memory, unchanged
  int inPlaceInput = -1; ///< the output may overwrite that input
  std::string detail;    ///< for the trace: which variant, for example "jit:avx2"

  bool IsSupported() const
  {
    return reason.empty();
  }
  static Proposal Unsupported(std::string reason);
  static Proposal FromKernel(std::unique_ptr<Kernel> kernel,
                             std::vector<Layout> inputLayouts = {},
                             Layout outputLayout = {});
  static Proposal Alias(int input, std::vector<Layout> inputLayouts = {}, Layout outputLayout = {});
};

/** \class Implementation
 * \brief One way to compute an operator.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT Implementation
{
public:
  virtual ~Implementation();
  /** For the trace, for example "onednn:convolution". */
  virtual std::string GetName() const = 0;
  virtual Proposal Propose(const OperatorCase & operatorCase) const = 0;
};

/** \class Backend
 * \brief A family of implementations for a kind of device.
 *
 * Backends are made by ITK object factories: a factory registers an override
 * of "itkNNBackend". A plan tries the chosen backend's implementations of an
 * operator in order, fastest first, then those of the reference backend.
 * \ingroup UniverSegCore
 */
class UniverSegCore_EXPORT Backend : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(Backend);

  using Self = Backend;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkTypeMacro(Backend, Object);

  /** "reference", "onednn", "cuda". */
  virtual std::string GetBackendName() const = 0;

  /** The kind of devices that it serves: those of another kind are none of its business. */
  virtual Device::Type GetDeviceType() const;

  /** Why the backend cannot serve this device and precision; empty when it can. */
  virtual std::string GetUnavailableReason(const Device & device, DataType precision) const = 0;

  /** Higher is taken first by "auto". */
  virtual int GetPriority() const = 0;

  /** Implementations of the operator's kind, fastest first. */
  virtual std::vector<const Implementation *> GetImplementations(const Operator & op) const = 0;

  /** Copy of a value into another layout. Null when the backend has none; the
   * reference backend has all. */
  virtual std::unique_ptr<Kernel> MakeReorder(const ValueType & type,
                                              const Layout & from,
                                              const Layout & to,
                                              unsigned int threads) const = 0;

  /** Memory of a device that this backend serves; null when it is the host's. */
  virtual std::shared_ptr<DeviceMemory> GetDeviceMemory(const Device & device) const;

  /** Call f(begin, end) for consecutive parts of [0, count) on the threads that
   * the backend's kernels use. ITK's threads unless the backend has others. */
  virtual void RunParallel(std::int64_t count,
                           unsigned int threads,
                           const std::function<void(std::int64_t, std::int64_t)> & f) const;

  /** All backends that the registered factories make, highest priority first. */
  static std::vector<Pointer> GetRegistered();

  /** The backends that a plan tries, in order: the one named, then the
   * reference. "auto" takes the available one of the highest priority.
   * \param notes gets a line for each backend that "auto" passed over.
   * Throws Error when the name is unknown or the backend is not available. */
  static std::vector<Pointer> Select(const std::string & name,
                                     const Device & device,
                                     DataType precision,
                                     std::vector<std::string> * notes = nullptr);

protected:
  Backend();
  ~Backend() override;
};

/** \class BackendFactory
 * \brief The ITK object factory of one backend class.
 * \ingroup UniverSegCore
 */
template <typename TBackend>
class BackendFactory : public ObjectFactoryBase
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(BackendFactory);

  using Self = BackendFactory;
  using Superclass = ObjectFactoryBase;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkFactorylessNewMacro(Self);
  itkTypeMacro(BackendFactory, ObjectFactoryBase);

  const char * GetITKSourceVersion() const override
  {
    return ITK_SOURCE_VERSION;
  }
  const char * GetDescription() const override
  {
    return "Backend of the neural engine of itk-universeg";
  }

  /** Register once; further calls do nothing. */
  static void RegisterOneFactory()
  {
    static const bool registered = ObjectFactoryBase::RegisterFactory(New());
    static_cast<void>(registered);
  }

protected:
  BackendFactory()
  {
    this->RegisterOverride(
      "itkNNBackend", typeid(TBackend).name(), "Backend", true, CreateObjectFunction<TBackend>::New());
  }
  ~BackendFactory() override = default;
};
} // namespace nn
} // namespace itk

#endif
