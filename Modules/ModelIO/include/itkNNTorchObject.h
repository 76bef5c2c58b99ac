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
#ifndef itkNNTorchObject_h
#define itkNNTorchObject_h

#include "UniverSegModelIOExport.h"
#include "itkNNStateDict.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
namespace nn
{
struct TorchObjectTree;

/** \class TorchObject
 * \brief One value of the object stored in a `.pt` file.
 *
 * A handle: copies share the file's values, which never change. A
 * default-constructed object is None. Values may be shared between several
 * places and may form cycles, so walk them with a bound, as Flatten() does.
 *
 * Instances of classes that the reader does not know are Opaque: they carry
 * their class name, constructor arguments and saved state, and nothing of them
 * was executed.
 * \ingroup UniverSegModelIO
 */
class UniverSegModelIO_EXPORT TorchObject
{
public:
  enum class Kind : std::uint8_t
  {
    None,
    Boolean,
    Integer,
    /** An integer beyond 64 bits; GetText() is its two's complement in hex. */
    BigInteger,
    Real,
    String,
    Bytes,
    Tensor,
    List,
    Tuple,
    Set,
    Dictionary,
    /** The name of a class or function. */
    Class,
    Opaque
  };

  TorchObject() = default;
  TorchObject(std::shared_ptr<const TorchObjectTree> tree, std::uint32_t index);

  Kind GetKind() const;
  static const char * ToString(Kind kind);

  bool IsNone() const
  {
    return this->GetKind() == Kind::None;
  }
  bool IsTensor() const
  {
    return this->GetKind() == Kind::Tensor;
  }
  bool IsDictionary() const
  {
    return this->GetKind() == Kind::Dictionary;
  }
  /** Boolean, Integer or Real. */
  bool IsNumber() const;

  /** The value of a Boolean, or an Integer other than zero. */
  bool GetBoolean() const;
  /** The value of an Integer or a Boolean, or of a Tensor with one element of an
   * integer type. */
  std::int64_t GetInteger() const;
  /** The value of a number, or of a Tensor with one element. */
  double GetReal() const;
  /** The characters of a String, Bytes or BigInteger. */
  const std::string & GetText() const;
  const Tensor & GetTensor() const;

  /** Items of a List, Tuple or Set; entries of a Dictionary or Opaque; else 0. */
  std::size_t GetSize() const;
  /** Item of a List, Tuple or Set. */
  TorchObject GetItem(std::size_t index) const;
  /** Key and value of a Dictionary's or Opaque's entry, in the file's order. */
  std::pair<TorchObject, TorchObject> GetEntry(std::size_t index) const;
  /** Keys that are strings, and integers as decimal text. */
  std::vector<std::string> GetKeys() const;
  bool Has(const std::string & key) const;
  /** Value under a key, which may be an integer's decimal text. Throws Error,
   * which lists the keys, when there is none. */
  TorchObject Get(const std::string & key) const;

  /** "module.Class" of an Opaque or a Class. */
  const std::string & GetClassName() const;
  /** Constructor arguments of an Opaque: a Tuple, or None. */
  TorchObject GetArguments() const;
  /** Saved state of an Opaque, for most classes the dictionary of attributes. */
  TorchObject GetState() const;

  /** The tensors below this value under dotted names: keys of dictionaries,
   * indices of lists and tuples. A pickled torch.nn.Module gives what its
   * state_dict() would. Throws Error when a name occurs twice, nesting exceeds
   * 100 levels, or there are more than 100,000 tensors. */
  StateDict Flatten() const;

private:
  std::shared_ptr<const TorchObjectTree> m_Tree;
  std::uint32_t m_Index = 0;
};

/** The weights of a network in the object of a `.pt` file: the object itself
 * when it holds tensors under names, or what it holds under "ema_model_state_dict",
 * the average by which a training is judged, "model_state_dict", "state_dict", "model",
 * "net" or "network" (tried in this order, and again inside of what is found). A pickled torch.nn.Module counts as its state dict.
 * The prefixes "module." and "_orig_mod." are removed as long as every name has
 * one of them.
 * \param key when not empty, the dotted path of the dictionary to take instead,
 * for example "model_state_dict".
 *
 * Throws Error, which lists the top-level keys, when there are none.
 * \ingroup UniverSegModelIO */
UniverSegModelIO_EXPORT StateDict ExtractStateDict(const TorchObject & root, const std::string & key = std::string());
} // namespace nn
} // namespace itk

#endif
