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
#ifndef itkNNUnpickler_h
#define itkNNUnpickler_h

#include "itkNNTorchFile.h"
#include "itkNNTorchObjectTree.h"

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace itk
{
namespace nn
{
/** A storage that a pickle refers to. */
struct StorageReference
{
  std::string key;
  /** "FloatStorage". */
  std::string typeName;
  DataType type = DataType::UInt8;
  bool supported = false;
  std::uint64_t numberOfElements = 0;
  /** Legacy files: a part of another storage, from this element on. */
  bool isView = false;
  std::size_t root = 0;
  std::uint64_t rootOffset = 0;

  std::uint64_t GetNumberOfBytes() const
  {
    return numberOfElements * SizeOf(type);
  }
};

/** A tensor whose elements are not attached yet. */
struct TensorReference
{
  std::size_t storage = 0;
  DataType type = DataType::UInt8;
  std::uint64_t offset = 0;
  Shape shape;
  Shape strides;
};

/** \class Unpickler
 * \brief Turns pickles into values without ever importing or calling anything.
 *
 * Calls of the few functions that torch.save() emits are recognised by name and
 * turned into the value they would give; every other class or function becomes
 * an Opaque with its name. Protocols 0 to 5.
 */
class Unpickler
{
public:
  explicit Unpickler(const TorchFileOptions & options);

  /** Read one pickle and advance begin behind it. Later pickles continue in the
   * same tree with a memo of their own. */
  std::uint32_t Load(const unsigned char *& begin, const unsigned char * end);

  /** Storages in the order of their first mention. */
  const std::vector<StorageReference> & GetStorages() const
  {
    return m_Storages;
  }
  /** Entry i belongs to the tree's tensors[i], which is undefined unless it came
   * from NumPy; such tensors have no reference. */
  const std::vector<std::unique_ptr<TensorReference>> & GetTensorReferences() const
  {
    return m_References;
  }
  const std::shared_ptr<TorchObjectTree> & GetTree() const
  {
    return m_Tree;
  }
  const std::set<std::string> & GetSkippedClasses() const
  {
    return m_Skipped;
  }

private:
  using Node = TorchObjectTree::Node;
  using Kind = TorchObject::Kind;
  using Index = std::uint32_t;

  std::uint64_t ReadUnsigned(int bytes);
  const unsigned char * Take(std::uint64_t count);
  std::string ReadLine();
  std::string ReadText(int lengthBytes);

  void Charge(std::uint64_t bytes);
  Index NewNode(Kind kind);
  Index NewText(Kind kind, std::string text);
  Index NewInteger(std::int64_t value);
  Index NewReal(double value);
  Index NewClass(const std::string & module, const std::string & name);
  Index NewOpaque(const std::string & name, Index arguments);
  Index NewLong(const unsigned char * bytes, std::uint64_t count);
  Index NewDecimal(const std::string & digits);

  Node & At(Index index)
  {
    return m_Tree->nodes[index];
  }
  void Push(Index index)
  {
    itkNNRequireMacro(m_Stack.size() < m_Options.maximumObjects,
                      "the pickle's stack exceeds the limit of " << m_Options.maximumObjects << " objects");
    m_Stack.push_back(index);
  }
  Index Pop();
  Index Top() const;
  std::vector<Index> PopToMark();
  std::vector<Index> PopCount(std::size_t count);
  void Remember(std::uint64_t key);
  void Recall(std::uint64_t key);
  void PushCollection(Kind kind, std::vector<Index> items);
  void AppendItems(Index target, const std::vector<Index> & items);
  void AppendEntries(Index target, const std::vector<Index> & items);

  void Reduce();
  void Build();
  Index Call(Index function, Index arguments, int depth);
  Index PersistentLoad(Index identifier);
  std::string StorageKey(Index index);
  std::size_t AddStorage(const StorageReference & storage);
  Index RebuildTensor(const std::string & name, const std::vector<Index> & arguments);
  Index ScalarFromNumPy(const std::vector<Index> & arguments);
  Index ArrayFromNumPy(Index target, Index shape, Index dtype, bool fortran, Index bytes);
  Index CollectionFromIterable(Kind kind, const std::vector<Index> & arguments);

  const std::vector<Index> & TupleItems(Index index, const char * what);
  std::int64_t IntegerOf(Index index, const char * what);
  const std::string & TextOf(Index index, const char * what);
  Shape ShapeOf(Index index, const char * what);

  TorchFileOptions m_Options;
  std::shared_ptr<TorchObjectTree> m_Tree;
  const unsigned char * m_Begin = nullptr;
  const unsigned char * m_Position = nullptr;
  const unsigned char * m_End = nullptr;
  std::vector<Index> m_Stack;
  std::vector<std::size_t> m_Marks;
  std::unordered_map<std::uint64_t, Index> m_Memo;
  std::uint64_t m_ObjectBytes = 0;
  std::vector<StorageReference> m_Storages;
  std::unordered_map<std::string, std::size_t> m_StorageIndex;
  std::vector<std::unique_ptr<TensorReference>> m_References;
  std::set<std::string> m_Skipped;
};
} // namespace nn
} // namespace itk

#endif
